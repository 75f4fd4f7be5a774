/*
 * A CUDA driver without a device, for tests of the host's side: memory is the host's, copies are made, kernels are
 * written down and not run. It is as unforgiving as a driver may be: what is queued happens at the latest moment that
 * is allowed, memory begins as NaN, copies outside of allocations fail, and so does every call on a thread without a
 * context, and what may not be done while a stream captures.
 *
 * MAMBA_STUB_LOG         file that gets one line for each event
 * MAMBA_STUB_DEVICES     number of devices (1)
 * MAMBA_STUB_CAPABILITY  compute capability (9.0)
 * MAMBA_STUB_DRIVER      the driver's version (13000)
 * MAMBA_STUB_MEMORY      bytes of the device's memory (8 GiB)
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "stub.h"

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, INVALID_IMAGE = 200,
       INVALID_CONTEXT = 201, NOT_FOUND = 500, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901 };

struct work { struct work *next; void (*run)(const void *); size_t bytes; max_align_t data[]; };
struct list { struct work *first, **end; int count; };
struct stream { struct list queue; struct list *graph; int number, is_invalid; };
struct range { char *start; size_t bytes; };
struct ranges { struct range items[1 << 16]; int count; };
struct copy { char *target; const char *source; size_t bytes; int value; };

static __thread int *current; /* the context of this thread */
static struct ranges device, locked;
static struct stream *streams[256];
static struct stream null_stream;
static int stream_count = 1, captures;
static size_t used;

/* ---- settings and the log ---- */

static const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value != NULL && *value != 0 ? value : otherwise;
}

static int devices(void) { return atoi(setting("MAMBA_STUB_DEVICES", "1")); }

static size_t memory(void) { return strtoull(setting("MAMBA_STUB_MEMORY", "8589934592"), NULL, 10); }

void stub_log(const char *format, ...) {
    static FILE *file;
    const char *path = getenv("MAMBA_STUB_LOG");
    if (path == NULL || (file == NULL && (file = fopen(path, "a")) == NULL)) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    fputc('\n', file);
    fflush(file);
}

/* ---- memory ---- */

static struct range *find(struct ranges *ranges, const void *address, size_t bytes) {
    const char *at = address;
    for (int i = 0; i < ranges->count; i++) {
        struct range *range = &ranges->items[i];
        if (at >= range->start && at - range->start <= (ptrdiff_t)range->bytes
            && bytes <= range->bytes - (size_t)(at - range->start)) {
            return range;
        }
    }
    return NULL;
}

static void add(struct ranges *ranges, void *start, size_t bytes) {
    ranges->items[ranges->count++] = (struct range){ start, bytes };
}

int stub_owns(const void *address, size_t bytes) { return find(&device, address, bytes) != NULL; }

/* ---- streams: work waits until somebody waits for it ---- */

static struct stream *stream_of(void *handle) { return handle != NULL ? handle : &null_stream; }

static void append(struct list *list, void (*run)(const void *), const void *data, size_t bytes) {
    struct work *work = malloc(sizeof *work + bytes);
    work->next = NULL;
    work->run = run;
    work->bytes = bytes;
    memcpy(work->data, data, bytes);
    if (list->end == NULL || list->first == NULL) {
        list->end = &list->first;
    }
    *list->end = work;
    list->end = &work->next;
    list->count++;
}

static void flush(struct stream *stream) {
    while (stream->queue.first != NULL) {
        struct work *work = stream->queue.first;
        stream->queue.first = work->next;
        work->run(work->data);
        free(work);
    }
    stream->queue.count = 0;
}

static void flush_all(void) {
    flush(&null_stream);
    for (int i = 0; i < stream_count; i++) {
        if (streams[i] != NULL) {
            flush(streams[i]);
        }
    }
}

int stub_enqueue(void *handle, void (*run)(const void *), const void *data, size_t bytes) {
    struct stream *stream = stream_of(handle);
    if (stream->graph == NULL && stream->queue.count >= 4096) {
        flush(stream);
    }
    append(stream->graph != NULL ? stream->graph : &stream->queue, run, data, bytes);
    return SUCCESS;
}

static int need_context(const char *what) {
    if (current == NULL) {
        stub_log("%s on a thread without context", what);
    }
    return current != NULL ? SUCCESS : INVALID_CONTEXT;
}

/* Refuses what may not be done while a stream captures, and spoils the capture, as the driver does. */
static int refuse(const char *what) {
    if (captures == 0) {
        return SUCCESS;
    }
    for (int i = 0; i < stream_count; i++) {
        if (streams[i] != NULL && streams[i]->graph != NULL) {
            streams[i]->is_invalid = 1;
        }
    }
    stub_log("refused %s while a stream captures", what);
    return CAPTURE_UNSUPPORTED;
}

#define RETURN_IF_FAILED(call) do { int code = (call); if (code != SUCCESS) { return code; } } while (0)
#define NEED_CONTEXT() RETURN_IF_FAILED(need_context(__func__))
#define NEED_NO_CAPTURE() RETURN_IF_FAILED(refuse(__func__))

/* ---- devices and contexts ---- */

int cuInit(int flags) { return flags == 0 ? SUCCESS : INVALID_VALUE; }

int cuDriverGetVersion(int *version) {
    *version = atoi(setting("MAMBA_STUB_DRIVER", "13000"));
    return SUCCESS;
}

int cuDeviceGetCount(int *count) {
    *count = devices();
    return SUCCESS;
}

int cuDeviceGet(int *handle, int ordinal) {
    *handle = ordinal;
    return ordinal < devices() ? SUCCESS : INVALID_DEVICE;
}

int cuDeviceGetName(char *name, int length, int handle) {
    snprintf(name, (size_t)length, "Stub GPU");
    return handle < devices() ? SUCCESS : INVALID_DEVICE;
}

int cuDeviceTotalMem_v2(size_t *bytes, int handle) {
    *bytes = memory();
    return handle < devices() ? SUCCESS : INVALID_DEVICE;
}

int cuDeviceGetAttribute(int *value, int attribute, int handle) {
    const char *capability = setting("MAMBA_STUB_CAPABILITY", "9.0");
    switch (attribute) {
        case 1: *value = 1024; break;                            /* threads of a block */
        case 2: case 3: *value = 1024; break;                    /* x and y of a block */
        case 4: *value = 64; break;                              /* z of a block */
        case 5: *value = 2147483647; break;                      /* x of a grid */
        case 6: case 7: *value = 65535; break;                   /* y and z of a grid */
        case 8: *value = 49152; break;                           /* shared memory of a block */
        case 9: *value = 65536; break;                           /* constant memory */
        case 10: *value = 32; break;                             /* threads of a warp */
        case 11: *value = 2147483647; break;                     /* pitch */
        case 12: case 82: *value = 65536; break;                 /* registers */
        case 13: case 36: *value = 1500000; break;               /* clocks, kHz */
        case 16: *value = 132; break;                            /* multiprocessors */
        case 19: case 83: case 90: case 91: *value = 1; break;   /* abilities */
        case 33: *value = handle + 1; break;                     /* PCI bus */
        case 37: *value = 5120; break;                           /* bits of the memory's bus */
        case 38: *value = 50 << 20; break;                       /* cache */
        case 39: *value = 2048; break;                           /* threads of a multiprocessor */
        case 40: *value = 3; break;                              /* copy engines */
        case 75: *value = atoi(capability); break;
        case 76: *value = strchr(capability, '.') != NULL ? atoi(strchr(capability, '.') + 1) : 0; break;
        case 81: *value = 233472; break;                         /* shared memory of a multiprocessor */
        case 97: *value = 232448; break;                         /* shared memory of a block, if it asks for it */
        default: *value = 0; break;
    }
    return handle < devices() ? SUCCESS : INVALID_DEVICE;
}

int cuDeviceCanAccessPeer(int *can, int handle, int peer) {
    (void)handle, (void)peer;
    *can = 0;
    return SUCCESS;
}

int cuCtxCreate_v2(void **context, int flags, int handle) {
    (void)flags;
    *context = current = malloc(sizeof *current);
    *current = handle;
    stub_log("context of device %d", handle);
    return SUCCESS;
}

int cuCtxDestroy_v2(void *context) {
    flush_all();
    stub_log("context destroyed, %zu bytes not freed", used);
    current = current == context ? NULL : current;
    free(context);
    return SUCCESS;
}

int cuCtxSetCurrent(void *context) {
    current = context;
    return SUCCESS;
}

int cuCtxSynchronize(void) {
    NEED_CONTEXT();
    NEED_NO_CAPTURE();
    flush_all();
    return SUCCESS;
}

int cuCtxGetCacheConfig(int *config) { *config = 0; return SUCCESS; }
int cuCtxSetCacheConfig(int config) { (void)config; return SUCCESS; }
int cuCtxGetSharedMemConfig(int *config) { *config = 1; return SUCCESS; }
int cuCtxSetSharedMemConfig(int config) { (void)config; return SUCCESS; }

int cuGetErrorString(int error, const char **text) {
    *text = error == OUT_OF_MEMORY ? "out of memory"
        : error == INVALID_VALUE ? "invalid argument"
        : error == INVALID_CONTEXT ? "invalid device context"
        : error == CAPTURE_UNSUPPORTED ? "operation not permitted when stream is capturing"
        : error == CAPTURE_INVALIDATED ? "operation failed due to a previous error during capture"
        : "an error of the stub";
    return SUCCESS;
}

/* ---- memory ---- */

int cuMemGetInfo_v2(size_t *left, size_t *total) {
    NEED_CONTEXT();
    *total = memory();
    *left = *total - used;
    return SUCCESS;
}

int cuMemAlloc_v2(void **address, size_t bytes) {
    NEED_CONTEXT();
    NEED_NO_CAPTURE();
    if (bytes == 0) {
        return INVALID_VALUE;
    }
    if (bytes > memory() - used || (*address = aligned_alloc(256, (bytes + 255) / 256 * 256)) == NULL) {
        stub_log("alloc %zu out of memory", bytes);
        return OUT_OF_MEMORY;
    }
    memset(*address, 0xff, bytes < (1u << 26) ? bytes : (1u << 26)); /* NaN */
    used += bytes;
    add(&device, *address, bytes);
    stub_log("alloc %zu", bytes);
    return SUCCESS;
}

int cuMemFree_v2(void *address) {
    NEED_CONTEXT();
    NEED_NO_CAPTURE();
    struct range *range = find(&device, address, 0);
    if (range == NULL || range->start != address) {
        return INVALID_VALUE;
    }
    flush_all();
    stub_log("free %zu", range->bytes);
    used -= range->bytes;
    *range = device.items[--device.count];
    free(address);
    return SUCCESS;
}

int cuMemAllocHost_v2(void **address, size_t bytes) {
    NEED_CONTEXT();
    *address = malloc(bytes);
    add(&locked, *address, bytes);
    stub_log("host alloc %zu", bytes);
    return SUCCESS;
}

int cuMemFreeHost(void *address) {
    struct range *range = find(&locked, address, 0);
    if (range == NULL) {
        return INVALID_VALUE;
    }
    flush_all();
    *range = locked.items[--locked.count];
    free(address);
    return SUCCESS;
}

int cuMemHostRegister_v2(void *address, size_t bytes, int flags) {
    (void)flags;
    NEED_CONTEXT();
    add(&locked, address, bytes);
    stub_log("host register %zu", bytes);
    return SUCCESS;
}

int cuMemHostUnregister(void *address) {
    struct range *range = find(&locked, address, 0);
    if (range == NULL) {
        return INVALID_VALUE;
    }
    flush_all();
    *range = locked.items[--locked.count];
    return SUCCESS;
}

int cuMemHostGetDevicePointer_v2(void **result, void *address, int flags) {
    (void)flags;
    *result = address;
    return SUCCESS;
}

int cuPointerGetAttribute(void *data, int attribute, void *address) {
    if (attribute != 2 || (!stub_owns(address, 0) && find(&locked, address, 0) == NULL)) {
        return INVALID_VALUE;
    }
    *(int *)data = stub_owns(address, 0) ? 2 : 1;
    return SUCCESS;
}

static void run_copy(const void *data) {
    const struct copy *copy = data;
    memmove(copy->target, copy->source, copy->bytes);
}

static void run_set(const void *data) {
    const struct copy *copy = data;
    memset(copy->target, copy->value, copy->bytes);
}

int cuMemcpyAsync(void *target, const void *source, size_t bytes, void *stream) {
    NEED_CONTEXT();
    int to = stub_owns(target, bytes), from = stub_owns(source, bytes);
    if ((!to && stub_owns(target, 0)) || (!from && stub_owns(source, 0)) || (!to && !from)) {
        stub_log("copy of %zu bytes outside of an allocation", bytes);
        return INVALID_VALUE;
    }
    stub_log("copy %s to %s %zu stream %d", from ? "device" : "host", to ? "device" : "host", bytes,
        stream_of(stream)->number);
    struct copy copy = { target, source, bytes, 0 };
    int is_paged = (!to && find(&locked, target, bytes) == NULL) || (!from && find(&locked, source, bytes) == NULL);
    if (is_paged && stream_of(stream)->graph != NULL) {
        return refuse("a copy of memory that is not page-locked");
    }
    int code = stub_enqueue(stream, run_copy, &copy, sizeof copy);
    if (is_paged) {
        flush(stream_of(stream)); /* the driver waits for such copies */
    }
    return code;
}

int cuMemsetD8Async(void *target, unsigned char value, size_t bytes, void *stream) {
    NEED_CONTEXT();
    if (!stub_owns(target, bytes)) {
        return INVALID_VALUE;
    }
    stub_log("set %zu stream %d", bytes, stream_of(stream)->number);
    struct copy set = { target, NULL, bytes, value };
    return stub_enqueue(stream, run_set, &set, sizeof set);
}

/* ---- streams and events ---- */

int cuStreamCreate(void **result, int flags) {
    NEED_CONTEXT();
    int number = 1;
    while (number < stream_count && streams[number] != NULL) {
        number++;
    }
    if (number == sizeof streams / sizeof *streams) {
        return OUT_OF_MEMORY;
    }
    stream_count = number == stream_count ? number + 1 : stream_count;
    struct stream *stream = streams[number] = calloc(1, sizeof *stream);
    stream->number = number;
    stub_log("stream %d flags %d", stream->number, flags);
    *result = stream;
    return SUCCESS;
}

int cuStreamCreateWithPriority(void **result, int flags, int priority) {
    (void)priority;
    return cuStreamCreate(result, flags);
}

int cuStreamDestroy_v2(void *handle) {
    struct stream *stream = stream_of(handle);
    flush(stream);
    streams[stream->number] = NULL;
    free(handle);
    return SUCCESS;
}

int cuStreamSynchronize(void *stream) {
    NEED_CONTEXT();
    if (stream_of(stream)->graph != NULL) {
        NEED_NO_CAPTURE();
    }
    flush(stream_of(stream));
    return SUCCESS;
}

int cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
    (void)stream, (void)event, (void)flags;
    flush_all();
    return SUCCESS;
}

int cuEventCreate(void **event, int flags) { (void)flags; *event = malloc(1); return SUCCESS; }
int cuEventDestroy_v2(void *event) { free(event); return SUCCESS; }
int cuEventQuery(void *event) { (void)event; return SUCCESS; }
int cuEventRecord(void *event, void *stream) { (void)event, (void)stream; return SUCCESS; }
int cuEventSynchronize(void *event) { (void)event; flush_all(); return SUCCESS; }
int cuEventElapsedTime(float *ms, void *start, void *end) { (void)start, (void)end; *ms = 1.0f; return SUCCESS; }

/* ---- kernels ---- */

/* The words behind a directive of the PTX text. */
static void directive(const char *text, const char *name, char *value, size_t size) {
    const char *at = strstr(text, name);
    size_t length = at != NULL ? strcspn(at += strlen(name) + 1, "\r\n,") : 0;
    snprintf(value, size, "%.*s", (int)length, at != NULL ? at : "");
}

int cuModuleLoadDataEx(void **module, const char *text, int count, void *options, void *values) {
    (void)count, (void)options, (void)values;
    NEED_CONTEXT();
    NEED_NO_CAPTURE();
    char version[32], target[32];
    directive(text, ".version", version, sizeof version);
    directive(text, ".target", target, sizeof target);
    stub_log("module version %s target %s %zu characters", version, target, strlen(text));
    if (version[0] == 0 || target[0] == 0) {
        return INVALID_IMAGE;
    }
    *module = strdup(text);
    return SUCCESS;
}

int cuModuleLoadData(void **module, const char *text) { return cuModuleLoadDataEx(module, text, 0, NULL, NULL); }

int cuModuleUnload(void *module) {
    NEED_CONTEXT();
    free(module);
    return SUCCESS;
}

int cuModuleGetFunction(void **function, void *module, const char *name) {
    char entry[512];
    snprintf(entry, sizeof entry, ".entry %s(", name);
    if (strstr(module, entry) == NULL) {
        return NOT_FOUND;
    }
    stub_log("function %s", name);
    *function = strdup(name);
    return SUCCESS;
}

int cuFuncSetAttribute(void *function, int attribute, int value) {
    stub_log("attribute %d of %s is %d", attribute, (char *)function, value);
    return SUCCESS;
}

int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads, size_t shared) {
    (void)function, (void)shared;
    *blocks = 2048 / threads;
    return SUCCESS;
}

int cuOccupancyMaxPotentialBlockSize(int *grid, int *threads, void *function, void *size, size_t shared, int limit) {
    (void)function, (void)size, (void)shared;
    *grid = 132;
    *threads = limit > 0 && limit < 1024 ? limit : 1024;
    return SUCCESS;
}

static void run_nothing(const void *data) { (void)data; }

int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
    unsigned shared, void *stream, void **arguments, void **extra) {
    NEED_CONTEXT();
    if (gx == 0 || gy == 0 || gz == 0 || gy > 65535 || gz > 65535 || bx == 0 || by == 0 || bz == 0
        || bx * by * bz > 1024 || (arguments == NULL && extra == NULL)) {
        stub_log("launch %s refused", (char *)function);
        return INVALID_VALUE;
    }

    /* Arguments come in one piece: (1, address, 2, address of its size, 0). */
    const unsigned char *bytes = NULL;
    size_t count = 0;
    for (int i = 0; extra != NULL && extra[i] != NULL; i += 2) {
        if ((uintptr_t)extra[i] == 1) {
            bytes = extra[i + 1];
        } else {
            count = *(size_t *)extra[i + 1];
        }
    }
    int is_logging = getenv("MAMBA_STUB_LOG") != NULL;
    char hex[257] = "";
    for (size_t i = 0; is_logging && i < count && i < 128; i++) {
        snprintf(hex + (2 * i), 3, "%02x", bytes[i]);
    }
    stub_log("launch %s grid %u %u %u block %u %u %u shared %u stream %d arguments %zu %s", (char *)function,
        gx, gy, gz, bx, by, bz, shared, stream_of(stream)->number, count, hex);
    return stub_enqueue(stream, run_nothing, "", 1);
}

struct attribute { int id; char padding[4]; int value; char others[60]; };
struct launch { unsigned gx, gy, gz, bx, by, bz, shared; void *stream; struct attribute *attributes; unsigned count; };

int cuLaunchKernelEx(const struct launch *launch, void *function, void **arguments, void **extra) {
    for (unsigned i = 0; i < launch->count; i++) {
        if (launch->attributes[i].id != 6) {
            return INVALID_VALUE;
        }
        stub_log("overlap %s: %d", (char *)function, launch->attributes[i].value);
    }
    return cuLaunchKernel(function, launch->gx, launch->gy, launch->gz, launch->bx, launch->by, launch->bz,
        launch->shared, launch->stream, arguments, extra);
}

/* ---- graphs ---- */

int cuStreamBeginCapture_v2(void *handle, int mode) {
    NEED_CONTEXT();
    struct stream *stream = stream_of(handle);
    if (handle == NULL || stream->graph != NULL) {
        return CAPTURE_UNSUPPORTED;
    }
    stream->graph = calloc(1, sizeof *stream->graph);
    stream->is_invalid = 0;
    captures++;
    stub_log("capture begins stream %d mode %d", stream->number, mode);
    return SUCCESS;
}

int cuStreamEndCapture(void *handle, void **graph) {
    struct stream *stream = stream_of(handle);
    if (stream->graph == NULL) {
        return INVALID_VALUE;
    }
    captures--;
    *graph = stream->is_invalid ? NULL : stream->graph;
    stub_log("capture ends stream %d nodes %d%s", stream->number, stream->graph->count,
        stream->is_invalid ? " invalid" : "");
    stream->graph = NULL;
    return stream->is_invalid ? CAPTURE_INVALIDATED : SUCCESS;
}

int cuStreamIsCapturing(void *stream, int *status) {
    *status = stream_of(stream)->graph == NULL ? 0 : stream_of(stream)->is_invalid ? 2 : 1;
    return SUCCESS;
}

int cuThreadExchangeStreamCaptureMode(int *mode) {
    *mode = 1;
    return SUCCESS;
}

static void add_all(struct list *target, const struct list *source) {
    for (const struct work *work = source->first; work != NULL; work = work->next) {
        append(target, work->run, work->data, work->bytes);
    }
}

static void release(struct list *list) {
    while (list->first != NULL) {
        struct work *next = list->first->next;
        free(list->first);
        list->first = next;
    }
    free(list);
}

int cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long flags) {
    (void)flags;
    NEED_CONTEXT();
    add_all(*executable = calloc(1, sizeof(struct list)), graph);
    stub_log("graph of %d nodes instantiated", ((struct list *)graph)->count);
    return SUCCESS;
}

int cuGraphLaunch(void *executable, void *stream) {
    NEED_CONTEXT();
    stub_log("graph of %d nodes launched stream %d", ((struct list *)executable)->count, stream_of(stream)->number);
    add_all(&stream_of(stream)->queue, executable);
    return SUCCESS;
}

int cuGraphExecDestroy(void *executable) {
    release(executable);
    return SUCCESS;
}

int cuGraphDestroy(void *graph) {
    release(graph);
    return SUCCESS;
}
