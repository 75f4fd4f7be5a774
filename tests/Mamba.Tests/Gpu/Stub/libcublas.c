/*
 * A cuBLAS without a device: its products are computed on the stub driver's memory, in the order of the stream.
 * Matrices are column-major; sums are float32 whatever the matrices are.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "stub.h"

enum { SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, NOT_SUPPORTED = 15, EXECUTION_FAILED = 13 };
enum { FLOAT32 = 0, BFLOAT16 = 14, COMPUTE_FLOAT32 = 68, COMPUTE_TENSOR_FLOAT32 = 77 };

struct handle { void *stream; };
struct matrix { char *data; int type, pitch; int64_t stride; };
struct product { int transpose_a, transpose_b, m, n, k, batch; float alpha, beta; struct matrix a, b, c; };

static size_t size_of(int type) { return type == FLOAT32 ? 4 : 2; }

static float load(const struct matrix *matrix, int64_t item, int64_t row, int64_t column) {
    int64_t i = (item * matrix->stride) + (column * matrix->pitch) + row;
    float value;
    if (matrix->type == FLOAT32) {
        memcpy(&value, matrix->data + (4 * i), 4);
    } else {
        uint16_t half;
        memcpy(&half, matrix->data + (2 * i), 2);
        uint32_t bits = (uint32_t)half << 16;
        memcpy(&value, &bits, 4);
    }
    return value;
}

static void store(const struct matrix *matrix, int64_t item, int64_t row, int64_t column, float value) {
    int64_t i = (item * matrix->stride) + (column * matrix->pitch) + row;
    if (matrix->type == FLOAT32) {
        memcpy(matrix->data + (4 * i), &value, 4);
        return;
    }
    uint32_t bits;
    memcpy(&bits, &value, 4);
    int is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
    uint16_t half = (uint16_t)((is_nan ? bits | 0x400000u : bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
    memcpy(matrix->data + (2 * i), &half, 2);
}

static void run(const void *data) {
    const struct product *p = data;
    for (int64_t item = 0; item < p->batch; item++) {
        for (int64_t j = 0; j < p->n; j++) {
            for (int64_t i = 0; i < p->m; i++) {
                float sum = 0;
                for (int64_t q = 0; q < p->k; q++) {
                    float a = p->transpose_a ? load(&p->a, item, q, i) : load(&p->a, item, i, q);
                    float b = p->transpose_b ? load(&p->b, item, j, q) : load(&p->b, item, q, j);
                    sum += a * b;
                }
                float old = p->beta != 0 ? p->beta * load(&p->c, item, i, j) : 0;
                store(&p->c, item, i, j, (p->alpha * sum) + old);
            }
        }
    }
}

/* Whether a matrix of some rows and columns lies in the device's memory, in all items. */
static int lies_inside(const struct matrix *matrix, int64_t rows, int64_t columns, int64_t batch) {
    if (rows == 0 || columns == 0 || batch == 0) {
        return 1;
    }
    int64_t last = ((batch - 1) * matrix->stride) + ((columns - 1) * matrix->pitch) + rows;
    return matrix->pitch >= rows && stub_owns(matrix->data, (size_t)last * size_of(matrix->type));
}

int cublasCreate_v2(struct handle **handle) {
    *handle = calloc(1, sizeof **handle);
    stub_log("cublas opened");
    return SUCCESS;
}

int cublasDestroy_v2(struct handle *handle) {
    free(handle);
    stub_log("cublas closed");
    return SUCCESS;
}

int cublasGetVersion_v2(struct handle *handle, int *version) {
    *version = 130000;
    return handle != NULL ? SUCCESS : NOT_INITIALIZED;
}

int cublasSetStream_v2(struct handle *handle, void *stream) {
    handle->stream = stream;
    return SUCCESS;
}

int cublasSetWorkspace_v2(struct handle *handle, void *workspace, size_t bytes) {
    (void)handle;
    stub_log("cublas workspace %zu", bytes);
    return stub_owns(workspace, bytes) && (uintptr_t)workspace % 256 == 0 ? SUCCESS : INVALID_VALUE;
}

int cublasSetMathMode(struct handle *handle, int mode) {
    (void)handle;
    stub_log("cublas math mode %d", mode);
    return SUCCESS;
}

int cublasGemmStridedBatchedEx(struct handle *handle, int transpose_a, int transpose_b, int m, int n, int k,
    const float *alpha, void *a, int type_a, int pitch_a, long long stride_a,
    void *b, int type_b, int pitch_b, long long stride_b,
    const float *beta, void *c, int type_c, int pitch_c, long long stride_c, int batch, int compute, int algorithm) {
    (void)algorithm;
    stub_log("gemm %c%c %d %d %d types %d %d %d compute %d batch %d", transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N',
        m, n, k, type_a, type_b, type_c, compute, batch);

    /* The user guide's table: both factors are of one type, and the product is of theirs or float32. */
    int is_single = type_a == FLOAT32 && type_b == FLOAT32 && type_c == FLOAT32;
    int is_half = type_a == BFLOAT16 && type_b == BFLOAT16 && (type_c == BFLOAT16 || type_c == FLOAT32);
    int is_known = (compute == COMPUTE_FLOAT32 && (is_single || is_half))
        || (compute == COMPUTE_TENSOR_FLOAT32 && is_single);
    if (!is_known) {
        return NOT_SUPPORTED;
    }
    struct product product = { transpose_a, transpose_b, m, n, k, batch, *alpha, *beta,
        { a, type_a, pitch_a, stride_a }, { b, type_b, pitch_b, stride_b }, { c, type_c, pitch_c, stride_c } };
    if (m < 0 || n < 0 || k < 0 || batch < 0
        || !lies_inside(&product.a, transpose_a ? k : m, transpose_a ? m : k, batch)
        || !lies_inside(&product.b, transpose_b ? n : k, transpose_b ? k : n, batch)
        || !lies_inside(&product.c, m, n, batch)) {
        stub_log("gemm outside of an allocation");
        return INVALID_VALUE;
    }
    return stub_enqueue(handle->stream, run, &product, sizeof product) == 0 ? SUCCESS : EXECUTION_FAILED;
}
