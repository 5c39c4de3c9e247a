/* Stands for NVIDIA's driver library, libcuda.so.1, on a machine without a card.
 *
 * The linker needs its names to build llama.cpp's CUDA backend, and the loader to load it. It says
 * what a driver says that finds no card; whoever asks it for more gets the same answer. */
#include <string.h>

typedef int Result;
enum { SUCCESS = 0, INVALID_VALUE = 1, NO_DEVICE = 100 };

#define NO_CARD(name) Result name(void) { return NO_DEVICE; }

NO_CARD(cuInit)
NO_CARD(cuDeviceGet)
NO_CARD(cuDeviceGetAttribute)
NO_CARD(cuMemAddressFree)
NO_CARD(cuMemAddressReserve)
NO_CARD(cuMemCreate)
NO_CARD(cuMemGetAllocationGranularity)
NO_CARD(cuMemMap)
NO_CARD(cuMemRelease)
NO_CARD(cuMemSetAccess)
NO_CARD(cuMemUnmap)

Result cuDriverGetVersion(int *version) {
    *version = 13000;
    return SUCCESS;
}

Result cuGetErrorString(Result error, const char **text) {
    (void)error;
    *text = "no CUDA-capable device is detected";
    return SUCCESS;
}

/* The runtime takes each function from here. Those above exist; the rest would need a card. */
Result cuGetProcAddress_v2(const char *name, void **function, int version, unsigned long long flags,
                           int *status) {
    (void)version;
    (void)flags;
    if (status) *status = 0;
    if (strcmp(name, "cuDriverGetVersion") == 0)
        *function = (void *)cuDriverGetVersion;
    else if (strcmp(name, "cuGetErrorString") == 0)
        *function = (void *)cuGetErrorString;
    else if (strcmp(name, "cuGetProcAddress") == 0)
        *function = (void *)cuGetProcAddress_v2;
    else
        *function = (void *)cuInit;
    return SUCCESS;
}
