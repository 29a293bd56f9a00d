// Flows of control that take turns on one thread of the CPU: stacks, and changing from one to another.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

#ifndef __x86_64__
#include <ucontext.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace cuda_emu {

constexpr size_t STACK_BYTES = 64 << 10;
// At the end of each stack, never to be touched.
constexpr size_t GUARD_BYTES = 4096;

struct Fiber {
#ifdef __x86_64__
    void* stack_pointer = nullptr;
#else
    ucontext_t context;
#endif
    char* stack = nullptr;
    uint32_t thread = 0;
};

// Memory for stacks, kept for the next launch.
class Stacks {
public:
    ~Stacks() { free(); }

    // Makes room for so many stacks; those before are no longer valid.
    void reserve(size_t num) {
        if (num <= num_) return;
        free();
        void* memory = mmap(nullptr, num * STACK_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) abort();
        memory_ = static_cast<char*>(memory);
        num_ = num;
        for (size_t index = 0; index < num; ++index) mprotect(at(index), GUARD_BYTES, PROT_NONE);
    }

    char* at(size_t index) { return memory_ + index * STACK_BYTES; }

private:
    void free() {
        if (memory_) munmap(memory_, num_ * STACK_BYTES);
    }

    char* memory_ = nullptr;
    size_t num_ = 0;
};

#ifdef __x86_64__
extern "C" void cuda_emu_switch(void** save, void* to);
// Saves what a called function must keep, and takes up the other stack.
__asm__(R"(
    .section .text.cuda_emu_switch,"axG",@progbits,cuda_emu_switch,comdat
    .weak cuda_emu_switch
    .type cuda_emu_switch,@function
cuda_emu_switch:
    endbr64
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size cuda_emu_switch, .-cuda_emu_switch
    .text
)");
#endif

// Goes on with `to` where that left off; returns when somebody goes on with `from`.
inline void change(Fiber& from, Fiber& to) {
#ifdef __x86_64__
    cuda_emu_switch(&from.stack_pointer, to.stack_pointer);
#else
    swapcontext(&from.context, &to.context);
#endif
}

// Lets the fiber begin with `run`, which must not return, on its stack.
inline void prepare(Fiber& fiber, void (*run)()) {
#ifdef __SANITIZE_ADDRESS__
    // What it remembers of who used this memory before, perhaps as another thread's stack.
    __asan_unpoison_memory_region(fiber.stack, STACK_BYTES);
#endif
#ifdef __x86_64__
    void** top = reinterpret_cast<void**>(fiber.stack + STACK_BYTES);
    *--top = nullptr;  // where a caller would return to; it aligns the stack
    *--top = reinterpret_cast<void*>(run);
    for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
    fiber.stack_pointer = top;
#else
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = STACK_BYTES;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, run, 0);
#endif
}

}  // namespace cuda_emu
