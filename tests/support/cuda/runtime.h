// The interface between the scheduler and the checker.
#pragma once
#include "on_cpu.h"
#include <cstddef>
#include <cstdio>

// The running thread; `epoch` counts the barriers that its block has passed.
struct ThreadId { unsigned block, thread, epoch; };
const ThreadId* running();                     // null outside of a kernel
bool on_stack(const char* address);            // of the running thread

// Ends the launch with a message; a running kernel is left before the invalid access is executed.
template <class... Values> void fail(const char* format, Values... values);
bool failed();
void leave_with_error();
extern char message[400];

template <class... Values> void fail(const char* format, Values... values) {
    if (!failed()) snprintf(message, sizeof message, format, values...);
    leave_with_error();
}

void reset_shared_memory();                    // at the start of a block: its shared memory is uninitialized
