/* A CUDA driver without a GPU: its memory is the host's, its copies copy, its kernels do nothing but are counted.

   So all that runs on the host, of numba-cuda and of the library, runs as it would; `test_hardware.py` compiles and loads it.
   Source of the declarations: NVIDIA, "CUDA Driver API", 13.0. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int R;
typedef uint64_t Address;
typedef void *Handle;
#define UNUSED __attribute__((unused))

int calls;                /* of a kernel */
#define MOST 4096
int called[MOST][6];      /* grid x, y; threads; whether cooperative; blocks of a cluster; stream */
uint64_t given[MOST][256]; /* function, shared bytes, grid z, threads y, z; then the parameters, as far as `sizes` goes */
unsigned char sizes[251]; /* bytes of each parameter of the kernels launched from now on; a 0 ends them */
int refusal, pause_us;    /* what a launch is answered with, if not 0; how long it takes */
int allocations, waits;   /* of device memory; for a stream, an event or all */
int capability = 90;
int loads;                /* of kernels, */
char loaded[256][512];    /* and their names */

static uintptr_t names = 0x2000; /* handles are numbers that nobody looks behind */
static Handle context = (Handle)0x1000;
static __thread Handle current;

static Handle named(void) { return (Handle)(names += 16); }
static void *memory(size_t n) {
    void *p = aligned_alloc(256, (n + 511) / 256 * 256);
    return p ? memset(p, 0x5A, n) : p;
}

R cuInit(unsigned f UNUSED) { return 0; }
R cuDriverGetVersion(int *v) { *v = 13050; return 0; }
R cuDeviceGetCount(int *n) { *n = 1; return 0; }
R cuDeviceGet(int *d, int i UNUSED) { *d = 0; return 0; }
R cuDeviceGetName(char *s, int n, int d UNUSED) { snprintf(s, n, "No GPU"); return 0; }
R cuDeviceGetUuid_v2(char *u, int d UNUSED) { memset(u, 7, 16); return 0; }
R cuDeviceTotalMem_v2(size_t *n, int d UNUSED) { *n = 80ull << 30; return 0; }
R cuDeviceGetAttribute(int *v, int a, int d UNUSED) {
    *v = a == 75 ? capability / 10 : a == 76 ? capability % 10 : a == 16 ? 132 : a == 1 ? 1024 : a == 10 ? 32 : 1;
    return 0;
}
R cuDevicePrimaryCtxRetain(Handle *c, int d UNUSED) { *c = context; return 0; }
R cuDevicePrimaryCtxRelease_v2(int d UNUSED) { return 0; }
R cuDevicePrimaryCtxReset_v2(int d UNUSED) { return 0; }
R cuDevicePrimaryCtxGetState(int d UNUSED, unsigned *f, int *active) { *f = 0; *active = 1; return 0; }
R cuCtxPushCurrent_v2(Handle c) { current = c; return 0; }
R cuCtxPopCurrent_v2(Handle *c) { *c = current; current = NULL; return 0; }
R cuCtxGetCurrent(Handle *c) { *c = current; return 0; }
R cuCtxSetCurrent(Handle c) { current = c; return 0; }
R cuCtxGetDevice(int *d) { *d = 0; return 0; }
R cuCtxGetId(Handle c UNUSED, unsigned long long *i) { *i = 1; return 0; }
R cuCtxSynchronize(void) { waits++; return 0; }

R cuMemGetInfo_v2(size_t *left, size_t *all) { *left = 70ull << 30; *all = 80ull << 30; return 0; }
R cuMemAlloc_v2(Address *p, size_t n) { allocations++; *p = (Address)memory(n); return 0; }
R cuMemFree_v2(Address p) { free((void *)p); return 0; }
R cuMemHostAlloc(void **p, size_t n, unsigned f UNUSED) { *p = memory(n); return 0; }
R cuMemFreeHost(void *p) { free(p); return 0; }
R cuMemHostGetDevicePointer_v2(Address *d, void *p, unsigned f UNUSED) { *d = (Address)p; return 0; }
R cuMemcpyHtoD_v2(Address d, const void *s, size_t n) { memcpy((void *)d, s, n); return 0; }
R cuMemcpyHtoDAsync_v2(Address d, const void *s, size_t n, Handle t UNUSED) { memcpy((void *)d, s, n); return 0; }
R cuMemcpyDtoH_v2(void *d, Address s, size_t n) { waits++; memcpy(d, (void *)s, n); return 0; }
R cuMemcpyDtoHAsync_v2(void *d, Address s, size_t n, Handle t UNUSED) { memcpy(d, (void *)s, n); return 0; }
R cuMemcpyDtoD_v2(Address d, Address s, size_t n) { memcpy((void *)d, (void *)s, n); return 0; }
R cuMemcpyDtoDAsync_v2(Address d, Address s, size_t n, Handle t UNUSED) { memcpy((void *)d, (void *)s, n); return 0; }
R cuMemsetD8_v2(Address d, unsigned char b, size_t n) { memset((void *)d, b, n); return 0; }
R cuMemsetD8Async(Address d, unsigned char b, size_t n, Handle t UNUSED) { memset((void *)d, b, n); return 0; }
R cuPointerGetAttribute(void *v, int a, Address p) {
    *(uint64_t *)v = a == 1 ? (uint64_t)context : a == 2 ? 2 : a == 3 ? p : 0;
    return 0;
}

R cuStreamCreate(Handle *s, unsigned f UNUSED) { *s = named(); return 0; }
R cuStreamDestroy_v2(Handle s UNUSED) { return 0; }
R cuStreamSynchronize(Handle s UNUSED) { waits++; return 0; }
R cuStreamQuery(Handle s UNUSED) { return 0; }
R cuStreamWaitEvent(Handle s UNUSED, Handle e UNUSED, unsigned f UNUSED) { return 0; }
R cuStreamGetCtx(Handle s UNUSED, Handle *c) { *c = context; return 0; }
R cuStreamIsCapturing(Handle s UNUSED, int *c) { *c = 0; return 0; }
R cuEventCreate(Handle *e, unsigned f UNUSED) { *e = named(); return 0; }
R cuEventDestroy_v2(Handle e UNUSED) { return 0; }
R cuEventRecord(Handle e UNUSED, Handle s UNUSED) { return 0; }
R cuEventQuery(Handle e UNUSED) { return 0; }
R cuEventSynchronize(Handle e UNUSED) { waits++; return 0; }
R cuEventElapsedTime(float *ms, Handle a UNUSED, Handle b UNUSED) { *ms = 0.5f; return 0; }

R cuLibraryLoadData(Handle *l, const void *c UNUSED, void *o UNUSED, void *p UNUSED, unsigned n UNUSED, void *q UNUSED,
                    void *r UNUSED, unsigned m UNUSED) { *l = named(); return 0; }
R cuLibraryUnload(Handle l UNUSED) { return 0; }
R cuLibraryGetKernel(Handle *k, Handle l UNUSED, const char *s) {
    if (loads < 256) snprintf(loaded[loads++], sizeof loaded[0], "%s", s);
    *k = named();
    return 0;
}
R cuKernelGetFunction(Handle *f, Handle k) { *f = k; return 0; }
R cuKernelGetAttribute(int *v, int a UNUSED, Handle k UNUSED, int d UNUSED) { *v = 64; return 0; }
R cuKernelSetAttribute(int a UNUSED, int v UNUSED, Handle k UNUSED, int d UNUSED) { return 0; }
R cuFuncGetAttribute(int *v, int a UNUSED, Handle f UNUSED) { *v = 64; return 0; }
R cuFuncSetAttribute(Handle f UNUSED, int a UNUSED, int v UNUSED) { return 0; }
R cuModuleLoadDataEx(Handle *m, const void *c UNUSED, unsigned n UNUSED, void *o UNUSED, void *p UNUSED) { *m = named(); return 0; }
R cuModuleGetFunction(Handle *f, Handle m UNUSED, const char *s UNUSED) { *f = named(); return 0; }
R cuModuleUnload(Handle m UNUSED) { return 0; }
R cuOccupancyMaxActiveBlocksPerMultiprocessor(int *n, Handle f UNUSED, int t UNUSED, size_t s UNUSED) { *n = 1; return 0; }

typedef struct { int id; char padding[4]; uint32_t value[16]; } Attribute;
typedef struct { unsigned grid[3], block[3], shared; Handle stream; Attribute *attributes; unsigned count; } Launch;

R cuLaunchKernelEx(const Launch *l, Handle f, void **p, void **x UNUSED) {
    if (!current) return 201; /* no context */
    if (refusal) return refusal;
    if (pause_us) usleep(pause_us);
    int n = __atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST), *c;
    if (n >= MOST) n = MOST - 1;
    c = called[n];
    uint64_t *g = given[n];
    g[0] = (uintptr_t)f, g[1] = l->shared, g[2] = l->grid[2], g[3] = l->block[1], g[4] = l->block[2];
    for (int i = 0; sizes[i]; i++) memcpy(g + 5 + i, p[i], sizes[i]);
    c[0] = l->grid[0], c[1] = l->grid[1], c[2] = l->block[0], c[3] = 0, c[4] = 1, c[5] = (int)(uintptr_t)l->stream;
    for (unsigned i = 0; i < l->count; i++) {
        if (l->attributes[i].id == 2) c[3] = l->attributes[i].value[0];
        if (l->attributes[i].id == 4) c[4] = l->attributes[i].value[0];
    }
    return 0;
}
R cuLaunchKernel(Handle f, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned g, unsigned s, Handle t, void **p, void **x) {
    Launch l = {{a, b, c}, {d, e, g}, s, t, NULL, 0};
    return cuLaunchKernelEx(&l, f, p, x);
}
R cuGetErrorName(R e UNUSED, const char **s) { *s = "AN_ERROR"; return 0; }
R cuGetErrorString(R e UNUSED, const char **s) { *s = "an error"; return 0; }

R cuGetProcAddress_v2(const char *name, void **p, int version UNUSED, uint64_t flags UNUSED, int *found) {
    static const char *versions[] = {"_v2", ""};
    Handle self = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    char whole[256];
    *p = NULL;
    for (int i = 0; i < 2 && !*p; i++) {
        snprintf(whole, sizeof whole, "%s%s", name, versions[i]);
        *p = dlsym(self, whole);
    }
    if (found) *found = *p ? 0 : 1;
    return *p ? 0 : 500;
}
R cuGetProcAddress(const char *name, void **p, int version, uint64_t flags) { return cuGetProcAddress_v2(name, p, version, flags, NULL); }
