// The check of types is made of macros that don't work through a variable option.
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <stddef.h>
#include <stdio.h>

// Swift can't call functions with a variable number of arguments.

static inline CURLcode ccurl_set_text(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_number(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_headers(CURL *handle, struct curl_slist *headers) {
    return curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
}

/// The body of a POST, which isn't copied.
static inline CURLcode ccurl_set_body(CURL *handle, const void *bytes, size_t count) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)count);
    return code == CURLE_OK ? curl_easy_setopt(handle, CURLOPT_POSTFIELDS, bytes) : code;
}

static inline size_t ccurl_ignore(char *bytes, size_t size, size_t count, void *context) {
    (void)bytes, (void)context;
    return size * count;
}

/// Nobody reads the bodies of answers.
static inline CURLcode ccurl_ignore_answers(CURL *handle) {
    return curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, ccurl_ignore);
}

/// The bodies of answers are written there.
static inline CURLcode ccurl_set_output(CURL *handle, FILE *output) {
    return curl_easy_setopt(handle, CURLOPT_WRITEDATA, output);
}

static inline int ccurl_is_stopped(
    void *flag, curl_off_t total_down, curl_off_t down, curl_off_t total_up, curl_off_t up) {
    (void)total_down, (void)down, (void)total_up, (void)up;
    return __atomic_load_n((const int *)flag, __ATOMIC_RELAXED);
}

/// Transfers end about a second after `flag` is set by `ccurl_stop`.
static inline CURLcode ccurl_set_stop_flag(CURL *handle, int *flag) {
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, flag);
    return curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, ccurl_is_stopped);
}

static inline void ccurl_stop(int *flag) { __atomic_store_n(flag, 1, __ATOMIC_RELAXED); }

/// The status of the last answer; 0 if there was none.
static inline long ccurl_status(CURL *handle) {
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    return status;
}
