// Runs the threads of a kernel one by one. A thread that waits at a barrier keeps its own fiber.
//
// Threads without barriers run back to back on one fiber. Shared memory is filled with NaN at the start of each block, and
// blocks and threads run forward, in reverse, or shuffled, so that results that depend on the order differ.
#include "runtime.h"
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <ucontext.h>
#include <vector>

dim3 gridDim, blockDim, blockIdx, threadIdx;
char message[400];
extern char __start_cuda_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_cuda_shared[] __attribute__((weak, visibility("hidden")));

struct Fiber { ucontext_t context; std::vector<char> stack; ThreadId id; int line; };
static const size_t STACK = 64 << 10;
static std::vector<Fiber*> fibers, idle, waiting;
static std::vector<unsigned> threads;
static size_t next_thread;
static unsigned block, epoch;
static ucontext_t home;
static Fiber* here;
static void (*kernel)(void**);
static void** arguments;
static std::minstd_rand shuffler;

const ThreadId* running() { return here ? &here->id : nullptr; }
bool on_stack(const char* p) { return p >= here->stack.data() && p < here->stack.data() + STACK; }
bool failed() { return message[0] != 0; }

static void set_thread(unsigned t) {
    here->id = {block, t, epoch};
    threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
}

static void pause() {
    Fiber* self = here;
    here = nullptr;
    swapcontext(&self->context, &home);
}

void leave_with_error() {
    if (here) pause();
}

extern "C" void cpu_barrier(int line) {
    here->line = line;
    waiting.push_back(here);
    pause();
}

static void run_threads() {
    for (;;) {
        while (next_thread < threads.size() && !failed()) {
            set_thread(threads[next_thread++]);
            kernel(arguments);
        }
        idle.push_back(here);
        pause();
    }
}

static Fiber* new_fiber() {
    Fiber* fiber = new Fiber();
    fiber->stack.resize(STACK);
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack.data();
    fiber->context.uc_stack.ss_size = STACK;
    makecontext(&fiber->context, run_threads, 0);
    fibers.push_back(fiber);
    return fiber;
}

static void resume(Fiber* fiber) {
    here = fiber;
    swapcontext(&home, &fiber->context);
}

template <class Item> static void arrange(std::vector<Item>& items, int order) {
    if (order == 1) std::reverse(items.begin(), items.end());
    if (order == 2) std::shuffle(items.begin(), items.end(), shuffler);
}

static std::vector<unsigned> counted(unsigned n, int order) {
    std::vector<unsigned> numbers(n);
    for (unsigned i = 0; i < n; ++i) numbers[i] = i;
    arrange(numbers, order);
    return numbers;
}

static void start_block(unsigned number, unsigned size, int order) {
    block = number, epoch = 0, next_thread = 0;
    blockIdx = {number % gridDim.x, number / gridDim.x % gridDim.y, number / (gridDim.x * gridDim.y)};
    threads = counted(size, order);
    if (__start_cuda_shared) memset(__start_cuda_shared, 0xFF, __stop_cuda_shared - __start_cuda_shared);  // NaN
    reset_shared_memory();
    while (next_thread < threads.size() && !failed()) {
        Fiber* fiber = idle.empty() ? new_fiber() : idle.back();
        if (!idle.empty()) idle.pop_back();
        resume(fiber);
    }
}

static bool all_at_one_barrier() {
    auto elsewhere = [](Fiber* fiber) { return fiber->line != waiting[0]->line; };
    return waiting.size() == threads.size() && std::none_of(waiting.begin(), waiting.end(), elsewhere);
}

static void pass_barriers(int order) {
    while (!waiting.empty() && !failed()) {
        if (!all_at_one_barrier())
            return fail("divergent barrier: %zu of %zu threads of block %u wait at line %d or elsewhere",
                        waiting.size(), threads.size(), block, waiting[0]->line);
        std::vector<Fiber*> ready;
        ready.swap(waiting);
        arrange(ready, order);
        ++epoch;
        for (Fiber* fiber : ready) {
            if (failed()) break;
            here = fiber;
            set_thread(fiber->id.thread);
            resume(fiber);
        }
    }
}

static void delete_fibers() {
    for (Fiber* fiber : fibers) delete fiber;
    fibers.clear(), idle.clear(), waiting.clear();
}

// `size` is the grid (x, y, z), then the block; `order` 0 forward, 1 reverse, 2 shuffled. Returns null or an error message.
extern "C" const char* cpu_launch(void (*body)(void**), void** values, const unsigned* size, int order) {
    kernel = body, arguments = values, message[0] = 0, here = nullptr;
    shuffler.seed(1);
    gridDim = {size[0], size[1], size[2]}, blockDim = {size[3], size[4], size[5]};
    for (unsigned number : counted(size[0] * size[1] * size[2], order)) {
        start_block(number, size[3] * size[4] * size[5], order);
        pass_barriers(order);
        if (failed()) break;
    }
    if (failed()) delete_fibers();
    return failed() ? message : nullptr;
}
