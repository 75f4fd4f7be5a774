/* What the stubs of the CUDA driver and of cuBLAS share. */
#include <stddef.h>

/* Writes a line to the file that MAMBA_STUB_LOG names. */
void stub_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether bytes from an address on lie in one allocation of the device that has not been freed. */
int stub_owns(const void *address, size_t bytes);

/* Queues work on a stream, with a copy of its data; a stream that captures records it. Returns a CUDA error. */
int stub_enqueue(void *stream, void (*run)(const void *data), const void *data, size_t bytes);
