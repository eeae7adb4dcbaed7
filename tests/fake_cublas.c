/* The few functions of cuBLAS that base/cuda/products.py calls, on the host's memory: signatures and meaning are those of
   NVIDIA's documentation (cuBLAS, sections 2.4, 2.8 "cublasGemmBatchedEx", "cublasGemmStridedBatchedEx"). Columns lie one
   after the other. Only real float32 and float64 are multiplied. What it was asked for is kept for the tests to see. */
#include <stddef.h>
#include <stdlib.h>

typedef struct { void *stream, *workspace; size_t bytes; } Handle;
int seen[16], handles;
long long seen_strides[3];
int fails;

int cublasCreate_v2(void **handle) { handles++; *handle = calloc(1, sizeof(Handle)); return 0; }
int cublasSetStream_v2(void *handle, void *stream) {
    Handle *h = handle; h->stream = stream; h->workspace = NULL; return 0;
}
int cublasSetWorkspace_v2(void *handle, void *workspace, size_t bytes) {
    Handle *h = handle; h->workspace = workspace; h->bytes = bytes; return (size_t)workspace % 16 ? 7 : 0;
}

static double at(const void *p, int type, size_t i) { return type == 1 ? ((double *)p)[i] : ((float *)p)[i]; }

static void gemm(int ta, int tb, int m, int n, int k, double alpha, const void *A, int type, int lda, const void *B, int ldb,
                 double beta, void *C, int ldc) {
    for (int j = 0; j < n; j++) for (int i = 0; i < m; i++) {
        double sum = 0;
        for (int l = 0; l < k; l++)
            sum += at(A, type, ta ? l + (size_t)i * lda : i + (size_t)l * lda)
                 * at(B, type, tb ? j + (size_t)l * ldb : l + (size_t)j * ldb);
        size_t c = i + (size_t)j * ldc;
        double y = alpha * sum + (beta != 0 ? beta * at(C, type, c) : 0);
        if (type == 1) ((double *)C)[c] = y; else ((float *)C)[c] = (float)y;
    }
}

static int wrong(void *handle, int ta, int tb, int m, int n, int k, int ta_type, int tb_type, int c_type, int lda, int ldb,
                 int ldc, int batch, int compute, int algo, int strided) {
    Handle *h = handle;
    int now[] = {ta, tb, m, n, k, c_type, lda, ldb, ldc, batch, compute, algo, strided};
    for (int i = 0; i < 13; i++) seen[i] = now[i];
    if (fails) return fails;
    if (!h || !h->workspace) return 1;
    if (m < 0 || n < 0 || k < 0 || batch < 0 || algo != -1 || ta_type != c_type || tb_type != c_type) return 7;
    if (lda < (ta ? k : m) || ldb < (tb ? n : k) || ldc < m || lda < 1 || ldb < 1 || ldc < 1) return 7;
    return c_type > 1 ? 15 : 0;
}

int cublasGemmStridedBatchedEx(void *handle, int ta, int tb, int m, int n, int k, const void *alpha, const void *A, int at_,
                               int lda, long long sa, const void *B, int bt, int ldb, long long sb, const void *beta,
                               void *C, int ct, int ldc, long long sc, int batch, int compute, int algo) {
    int bad = wrong(handle, ta, tb, m, n, k, at_, bt, ct, lda, ldb, ldc, batch, compute, algo, 1);
    seen_strides[0] = sa; seen_strides[1] = sb; seen_strides[2] = sc;
    if (bad) return bad;
    size_t size = ct == 1 ? 8 : 4;
    int scale = compute == 70;
    for (int i = 0; i < batch; i++)
        gemm(ta, tb, m, n, k, at(alpha, scale, 0), (char *)A + i * sa * size, ct, lda, (char *)B + i * sb * size, ldb,
             at(beta, scale, 0), (char *)C + i * sc * size, ldc);
    return 0;
}

int cublasGemmBatchedEx(void *handle, int ta, int tb, int m, int n, int k, const void *alpha, const void *const A[], int at_,
                        int lda, const void *const B[], int bt, int ldb, const void *beta, void *const C[], int ct, int ldc,
                        int batch, int compute, int algo) {
    int bad = wrong(handle, ta, tb, m, n, k, at_, bt, ct, lda, ldb, ldc, batch, compute, algo, 0);
    if (bad) return bad;
    int scale = compute == 70;
    for (int i = 0; i < batch; i++)
        gemm(ta, tb, m, n, k, at(alpha, scale, 0), A[i], ct, lda, B[i], ldb, at(beta, scale, 0), C[i], ldc);
    return 0;
}
