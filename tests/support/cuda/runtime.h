// What the scheduler and the checker tell each other.
#pragma once
#include "on_cpu.h"
#include <cstddef>
#include <cstdio>

// Where the running thread is: `epoch` counts the barriers that its block has passed.
struct Place { unsigned block, thread, epoch; };
const Place* running();                        // null outside of a kernel
bool on_stack(const char* address);            // of the running thread

// Ends the launch with a message; a kernel that runs is left at once, before the bad access happens.
template <class... Values> void fail(const char* format, Values... values);
bool failed();
void leave_with_error();
extern char message[400];

template <class... Values> void fail(const char* format, Values... values) {
    if (!failed()) snprintf(message, sizeof message, format, values...);
    leave_with_error();
}

void forget_shared_memory();                   // a new block: nobody has written its shared memory
