// Checks every memory access of a kernel that g++ compiled with -fsanitize=thread, by defining the functions that the
// compiler calls at each access.
//
// An access must be in an argument, in shared memory, on the stack or in the library itself. Two accesses of one byte by
// two threads, at least one of them a write, need a barrier between them. Accesses of two blocks are never ordered.
#include "runtime.h"
#include <sys/types.h>
#include <vector>

struct Access { ThreadId by; bool set; };
struct Byte { Access write, read, other_read; };
struct Range { char *begin, *end; int argument; std::vector<Byte> bytes; };
static const int SHARED = -1;
static std::vector<Range> ranges;
extern char __start_cuda_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_cuda_shared[] __attribute__((weak, visibility("hidden")));
extern char __ehdr_start[] __attribute__((visibility("hidden"))), _end[] __attribute__((visibility("hidden")));

static void add_range(char* begin, char* end, int argument) {
    ranges.push_back({begin, end, argument, std::vector<Byte>(end - begin)});
}
extern "C" void cpu_watch_range(char* begin, size_t size, int argument) { add_range(begin, begin + size, argument); }
extern "C" void cpu_unwatch_all() {
    ranges.clear();
    if (__start_cuda_shared) add_range(__start_cuda_shared, __stop_cuda_shared, SHARED);
}
void reset_shared_memory() {
    for (Range& range : ranges)
        if (range.argument == SHARED) range.bytes.assign(range.bytes.size(), Byte());
}

static bool ordered(const Access& access) {
    const ThreadId &now = *running(), &then = access.by;
    return !access.set || (then.block == now.block && (then.thread == now.thread || then.epoch < now.epoch));
}

static void report(const char* problem, const Range* range, const char* p) {
    char where[60] = "outside of every argument";
    if (range && range->argument == SHARED)
        snprintf(where, sizeof where, "in shared memory, byte %zd", p - range->begin);
    if (range && range->argument != SHARED)
        snprintf(where, sizeof where, "in argument %d, byte %zd", range->argument, p - range->begin);
    fail("%s %s, by thread %u of block %u", problem, where, running()->thread, running()->block);
}

static void check_read(Byte& byte, const Range& range, const char* p) {
    if (!ordered(byte.write)) report("race: read after write", &range, p);
    if (range.argument == SHARED && !byte.write.set) report("read of uninitialized memory,", &range, p);
    Access& slot = ordered(byte.read) ? byte.read : byte.other_read;
    slot = {*running(), true};
}

static void check_write(Byte& byte, const Range& range, const char* p) {
    if (!ordered(byte.write)) report("race: write after write", &range, p);
    if (!ordered(byte.read) || !ordered(byte.other_read)) report("race: write after read", &range, p);
    byte.write = {*running(), true};
}


static void access(char* p, size_t size, void (*check)(Byte&, const Range&, const char*)) {
    if (!running()) return;
    for (Range& range : ranges) {
        if (p < range.begin || p >= range.end) continue;
        if (p + size > range.end) report("out of bounds", &range, p);
        for (char* each = p; each < p + size; ++each) check(range.bytes[each - range.begin], range, each);
        return;
    }
    if (!on_stack(p) && !(p >= __ehdr_start && p < _end)) report("out of bounds:", nullptr, p);
}

#define HOOKS(SIZE) \
    extern "C" void __tsan_read##SIZE(char* p) { access(p, SIZE, check_read); } \
    extern "C" void __tsan_write##SIZE(char* p) { access(p, SIZE, check_write); } \
    extern "C" void __tsan_unaligned_read##SIZE(char* p) { access(p, SIZE, check_read); } \
    extern "C" void __tsan_unaligned_write##SIZE(char* p) { access(p, SIZE, check_write); }
HOOKS(1) HOOKS(2) HOOKS(4) HOOKS(8) HOOKS(16)
extern "C" void __tsan_read_range(char* p, size_t size) { access(p, size, check_read); }
extern "C" void __tsan_write_range(char* p, size_t size) { access(p, size, check_write); }
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
extern "C" void __tsan_init() {}

struct Location { const char* file; unsigned line, column; };  // first field of the records of -fsanitize=undefined
#define ARITHMETIC(NAME, MESSAGE) \
    extern "C" void __ubsan_handle_##NAME(Location* location, ...) { fail(MESSAGE " at line %u", location->line); }
ARITHMETIC(out_of_bounds, "array index out of bounds")
ARITHMETIC(divrem_overflow, "division by zero")
ARITHMETIC(add_overflow, "overflow in +")
ARITHMETIC(sub_overflow, "overflow in -")
ARITHMETIC(mul_overflow, "overflow in *")
ARITHMETIC(negate_overflow, "overflow in -")
