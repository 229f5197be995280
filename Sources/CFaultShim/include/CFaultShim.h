// Stands between a program and the C library, by LD_PRELOAD, and lets calls on the files of one directory fail now and
// then, and the clock jump. Nothing is to be called here: what it does is said by the environment (CFaultControl.h).
