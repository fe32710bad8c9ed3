# MFM_CUDA: finds nvcc, cuBLASLt and cuFFT for the CUDA module; sets NVCC, NVCCFLAGS,
# CUDA_LIBS and HAVE_CUDA. No GPU is needed to build.
AC_DEFUN([MFM_CUDA], [
AC_ARG_WITH([cuda], [AS_HELP_STRING([--with-cuda=auto|yes|no|DIR],
    [build the CUDA module with nvcc (auto: where nvcc is found)])],
    [], [with_cuda=auto])
AC_ARG_WITH([cuda-archs], [AS_HELP_STRING([--with-cuda-archs=LIST],
    [GPUs to build for (75,80,86,89,90,100,120); the last one as PTX too])],
    [cuda_archs=$withval], [cuda_archs=75,80,86,89,90,100,120])
have_cuda=no
NVCC=
AS_CASE([$with_cuda],
    [no], [],
    [auto|yes], [AC_PATH_PROG([NVCC], [nvcc], [],
        [$PATH:/usr/local/cuda/bin:/opt/cuda/bin])],
    [AC_PATH_PROG([NVCC], [nvcc], [], [$with_cuda/bin])])
NVCCFLAGS="-std=c++20 -O3 -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra"
for mfm_arch in `echo $cuda_archs | tr ',' ' '`; do
    NVCCFLAGS="$NVCCFLAGS -gencode arch=compute_$mfm_arch,code=sm_$mfm_arch"
done
NVCCFLAGS="$NVCCFLAGS -gencode arch=compute_$mfm_arch,code=compute_$mfm_arch"
CUDA_LIBS="-lcublasLt -lcufft"
AS_IF([test -n "$NVCC"], [
    AC_MSG_CHECKING([whether $NVCC builds for $cuda_archs])
    cat >conftest.cu <<MFM_EOF
#include <cublasLt.h>
#include <cufft.h>
int main() { cublasLtHandle_t h; return (int)cublasLtCreate(&h) + (int)cufftDestroy(0); }
MFM_EOF
    AS_IF([$NVCC $NVCCFLAGS -o conftest.cuda conftest.cu $CUDA_LIBS >&AS_MESSAGE_LOG_FD 2>&1],
        [have_cuda=yes])
    rm -f conftest.cu conftest.cuda
    AC_MSG_RESULT([$have_cuda])])
AS_IF([test "$have_cuda" = yes], [
    AC_MSG_CHECKING([for nccl.h])
    echo '#include <nccl.h>' >conftest.cu
    AS_IF([$NVCC -E conftest.cu >/dev/null 2>&1],
        [NVCCFLAGS="$NVCCFLAGS -DHAVE_NCCL"
        AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no: one GPU for each training])])
    AC_MSG_CHECKING([for cudnn.h of cuDNN 9 or newer])
    cat >conftest.cu <<MFM_EOF
#include <cudnn.h>
#if CUDNN_MAJOR < 9
#error too old
#endif
MFM_EOF
    AS_IF([$NVCC -E conftest.cu >/dev/null 2>&1],
        [NVCCFLAGS="$NVCCFLAGS -DHAVE_CUDNN"
        AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no: convolutions by mfm's own kernels])])
    rm -f conftest.cu])
AS_IF([test "$have_cuda" = no && test "$with_cuda" != auto && test "$with_cuda" != no],
    [AC_MSG_ERROR([no nvcc that compiles and links cuBLASLt and cuFFT (see config.log): install the CUDA toolkit, or configure --with-cuda=DIR or --with-cuda=no])])
AC_SUBST([NVCC])
AC_SUBST([NVCCFLAGS])
AC_SUBST([CUDA_LIBS])
AM_CONDITIONAL([HAVE_CUDA], [test "$have_cuda" = yes])
])
