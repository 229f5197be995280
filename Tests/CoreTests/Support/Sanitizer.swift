import Glibc

/// Whether this process was built with the address sanitizer.
let isUnderAddressSanitizer = dlsym(nil, "__asan_init") != nil
