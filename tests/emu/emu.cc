/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Blocks, threads, barriers and memory of cuda_runtime.h. */
#include "cuda_runtime.h"

#include <cstdarg>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

namespace emu {

thread_local dim3 thread_idx, block_idx, block_dim, grid_dim;
thread_local unsigned block_number;

/* ---- stacks ---- */

/* save: where the address of this stack goes; load: that of the next. */
#if defined(__x86_64__)
extern "C" void emu_switch(void **save, void *load);
asm(R"(
.text
.hidden emu_switch
.globl emu_switch
.type emu_switch, @function
emu_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
.size emu_switch, . - emu_switch
)");
struct context {
    void *sp = nullptr;
    void make(char *stack, size_t size, void (*entry)())
    {
        void **top = (void **)(((uintptr_t)stack + size) & ~(uintptr_t)15);

        *--top = nullptr; /* keeps entry's stack aligned */
        *--top = (void *)entry;
        for (int i = 0; i < 6; i++)
            *--top = nullptr;
        sp = top;
    }
    void go(context &next) { emu_switch(&sp, next.sp); }
};
#else
struct context {
    ucontext_t u;
    void make(char *stack, size_t size, void (*entry)())
    {
        getcontext(&u);
        u.uc_stack.ss_sp = stack;
        u.uc_stack.ss_size = size;
        u.uc_link = nullptr;
        makecontext(&u, entry, 0);
    }
    void go(context &next) { swapcontext(&u, &next.u); }
};
#endif

struct copy {
    void *to;
    const void *from;
    size_t size;
};

struct fiber {
    context ctx;
    char *stack;
    unsigned thread;
};

/* One block at a time in each thread of the host. */
struct state {
    const char *kernel = "?";
    const std::function<void()> *body;
    context main;
    std::vector<fiber *> idle, ready, parked; /* parked: at the barrier */
    fiber *running = nullptr;
    unsigned threads = 0, next = 0, alive = 0;
    int barrier_line = 0;
    struct warp {
        unsigned arrived = 0, alive = 0, turn = 0;
        int line = 0;
        std::vector<fiber *> parked;
        __attribute__((aligned(64))) char slot[2][32 * LANE_BYTES];
    };
    std::vector<warp> warps;
    std::vector<std::vector<std::vector<copy>>> copies; /* thread, group */
    char *shared_end = nullptr; /* the page that follows is not there */
    size_t shared = 0;
};
static thread_local state s;

enum { STACK = 256 << 10, SHARED = 256 << 10 };

void fail(const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fprintf(stderr, "emulated CUDA: %s, block %u %u %u, thread %u %u %u: %s\n",
            s.kernel, block_idx.x, block_idx.y, block_idx.z, thread_idx.x,
            thread_idx.y, thread_idx.z, text);
    abort();
}

static void set_thread(unsigned t)
{
    thread_idx.x = t % block_dim.x;
    thread_idx.y = t / block_dim.x % block_dim.y;
    thread_idx.z = t / block_dim.x / block_dim.y;
}

static unsigned current() { return s.running->thread; }
unsigned lane() { return current() % 32; }

/* Leaves the running thread until it is made ready. */
static void park(std::vector<fiber *> &where)
{
    fiber *f = s.running;

    where.push_back(f);
    f->ctx.go(s.main);
    s.running = f;
    set_thread(f->thread);
}

static void wake(std::vector<fiber *> &list)
{
    s.ready.insert(s.ready.end(), list.begin(), list.end());
    list.clear();
}

static void thread_ends(unsigned t)
{
    s.alive--;
    s.warps[t / 32].alive--;
    if (!s.parked.empty())
        fail("ends while others wait at the barrier of line %d",
             s.barrier_line);
    if (!s.warps[t / 32].parked.empty())
        fail("ends while its warp waits in line %d", s.warps[t / 32].line);
}

/* Threads that never wait share one stack. */
static void run_threads()
{
    for (;;) {
        fiber *f = s.running;

        while (s.next < s.threads) {
            f->thread = s.next++;
            set_thread(f->thread);
            (*s.body)();
            f = s.running;
            thread_ends(f->thread);
        }
        s.idle.push_back(f);
        f->ctx.go(s.main);
    }
}

static fiber *new_fiber()
{
    fiber *f = new fiber;

    f->stack = (char *)mmap(nullptr, STACK, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    f->ctx.make(f->stack, STACK, run_threads);
    return f;
}

static void run_block()
{
    s.next = 0;
    s.alive = s.threads;
    for (auto &w : s.warps) {
        w.arrived = 0;
        w.alive = 0;
    }
    for (unsigned t = 0; t < s.threads; t++)
        s.warps[t / 32].alive++;
    while (s.alive) {
        if (!s.ready.empty()) {
            s.running = s.ready.back();
            s.ready.pop_back();
        } else if (s.next < s.threads) {
            if (s.idle.empty())
                s.idle.push_back(new_fiber());
            s.running = s.idle.back();
            s.idle.pop_back();
        } else {
            fail("the threads wait for each other (barrier of line %d)",
                 s.barrier_line);
        }
        s.main.go(s.running->ctx);
    }
}

static void need_shared(size_t size)
{
    static const long page = sysconf(_SC_PAGESIZE);

    if (!s.shared_end) {
        char *p = (char *)mmap(nullptr, SHARED + page, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        mprotect(p + SHARED, page, PROT_NONE);
        s.shared_end = p + SHARED;
    }
    s.shared = (size + 15) / 16 * 16;
    if (s.shared > 227 << 10)
        fail("%zu bytes of shared memory", size);
}

void launch(const char *name, dim3 grid, dim3 block, size_t shared,
            const std::function<void()> &body)
{
    s.kernel = name;
    s.body = &body;
    s.threads = block.x * block.y * block.z;
    block_dim = block;
    grid_dim = grid;
    if (!s.threads || s.threads > 1024 || !grid.x || !grid.y || !grid.z ||
        grid.y > 65535 || grid.z > 65535)
        fail("%u threads in a block, grid %u %u %u", s.threads, grid.x, grid.y,
             grid.z);
    s.warps.resize((s.threads + 31) / 32);
    need_shared(shared);
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                block_idx = dim3(x, y, z);
                block_number++;
                memset(s.shared_end - s.shared, 0xff, s.shared);
                s.copies.clear();
                run_block();
            }
}

void barrier(int line)
{
    if (s.alive != s.threads)
        fail("a barrier in line %d, but some threads have ended", line);
    if (!s.parked.empty() && s.barrier_line != line)
        fail("at the barrier of line %d while others wait in line %d", line,
             s.barrier_line);
    s.barrier_line = line;
    if (s.parked.size() + 1 == s.threads)
        wake(s.parked);
    else
        park(s.parked);
}

const char *exchange(const void *mine, size_t size, int line)
{
    state::warp &w = s.warps[current() / 32];
    char *slot = w.slot[w.turn & 1];

    if (w.alive != 32)
        fail("a warp of %u lanes in line %d", w.alive, line);
    if (w.arrived && w.line != line)
        fail("in line %d while its warp waits in line %d", line, w.line);
    w.line = line;
    memcpy(slot + LANE_BYTES * lane(), mine, size);
    if (++w.arrived == 32) {
        w.arrived = 0;
        w.turn++;
        wake(w.parked);
    } else {
        park(w.parked);
    }
    return slot;
}

void *dynamic_shared() { return s.shared_end - s.shared; }

/* ---- cp.async ---- */

static std::vector<std::vector<copy>> &groups()
{
    if (s.copies.size() < s.threads)
        s.copies.resize(s.threads);
    auto &g = s.copies[current()];
    if (g.empty())
        g.emplace_back();
    return g;
}

void copy_later(void *to, const void *from, size_t size)
{
    groups().back().push_back({ to, from, size });
}

void copy_commit() { groups().emplace_back(); }

/* All but the last n groups that were committed; from NULL: zeros. */
void copy_wait(int n)
{
    auto &g = groups();

    while ((int)g.size() - 1 > n) {
        for (const copy &c : g.front())
            if (c.from)
                memcpy(c.to, c.from, c.size);
            else
                memset(c.to, 0, c.size);
        g.erase(g.begin());
    }
}

} /* namespace emu */

/* ---- the runtime ---- */

static std::mutex lock;
static size_t used;
static std::map<void *, std::pair<char *, size_t>> &blocks()
{
    static std::map<void *, std::pair<char *, size_t>> m;
    return m;
}

static size_t number(const char *name, size_t otherwise)
{
    const char *v = getenv(name);

    return v ? strtoull(v, nullptr, 10) : otherwise;
}

static size_t capacity() { return number("EMU_MEMORY", (size_t)8 << 30); }

cudaError_t cudaGetDeviceCount(int *n)
{
    *n = (int)number("EMU_DEVICES", 1);
    if (number("EMU_DRIVER", CUDART_VERSION) < CUDART_VERSION) {
        *n = 0;
        return cudaErrorInsufficientDriver;
    }
    return *n ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaDriverGetVersion(int *v)
{
    *v = (int)number("EMU_DRIVER", CUDART_VERSION);
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *v)
{
    *v = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int n)
{
    int have;

    cudaGetDeviceCount(&have);
    return n >= 0 && n < have ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int n)
{
    int arch = (int)number("EMU_ARCH", 90);

    memset(p, 0, sizeof(*p));
    snprintf(p->name, sizeof(p->name), "emulated device %d", n);
    p->totalGlobalMem = capacity();
    p->sharedMemPerBlockOptin = number("EMU_SHARED", 64 << 10);
    p->major = arch / 10;
    p->minor = arch % 10;
    p->multiProcessorCount = 2;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int)
{
    *pool = nullptr;
    return cudaSuccess;
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void *)
{
    return cudaSuccess;
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }

cudaError_t cudaMemGetInfo(size_t *left, size_t *all)
{
    *all = capacity();
    *left = *all > used ? *all - used : 0;
    return cudaSuccess;
}

/* The end of the block is that of a page, and the next page is not there. */
cudaError_t cudaMallocAsync(void **out, size_t size, cudaStream_t)
{
    static const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (size + 15) / 16 * 16;
    size_t pages = (bytes + page - 1) / page * page;
    std::lock_guard<std::mutex> hold(lock);
    char *p;

    if (used + bytes > capacity())
        return cudaErrorMemoryAllocation;
    p = (char *)mmap(nullptr, pages + page, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return cudaErrorMemoryAllocation;
    mprotect(p + pages, page, PROT_NONE);
    *out = p + pages - bytes;
    memset(*out, 0xff, bytes);
    used += bytes;
    blocks()[*out] = { p, bytes };
    return cudaSuccess;
}

cudaError_t cudaFreeAsync(void *p, cudaStream_t)
{
    static const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    std::lock_guard<std::mutex> hold(lock);
    auto i = blocks().find(p);

    if (i == blocks().end()) {
        fprintf(stderr, "emulated CUDA: %p was not allocated\n", p);
        abort();
    }
    used -= i->second.second;
    munmap(i->second.first,
           (i->second.second + page - 1) / page * page + page);
    blocks().erase(i);
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **p, size_t size)
{
    *p = malloc(size ? size : 1);
    return *p ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeHost(void *p)
{
    free(p);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size,
                            cudaMemcpyKind, cudaStream_t)
{
    memmove(to, from, size);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t size, cudaStream_t)
{
    memset(p, value, size);
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned)
{
    *stream = nullptr;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned)
{
    *e = nullptr;
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned)
{
    return cudaSuccess;
}
cudaError_t cudaGetLastError(void) { return cudaSuccess; }

const char *cudaGetErrorString(cudaError_t e)
{
    switch (e) {
    case cudaSuccess:
        return "no error";
    case cudaErrorMemoryAllocation:
        return "out of memory";
    case cudaErrorNoDevice:
        return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
        return "invalid device ordinal";
    default:
        return "invalid argument";
    }
}
