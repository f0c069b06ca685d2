// Where a kernel may begin before the one before it has ended: waits for that, and lets the next one begin. Code for older
// devices does neither, and so must never be begun early.
#if __CUDA_ARCH__ >= 900
#define AFTER_ALL() asm volatile("griddepcontrol.wait;" ::: "memory")
#define NEXT_MAY() asm volatile("griddepcontrol.launch_dependents;")
#else
#define AFTER_ALL()
#define NEXT_MAY()
#endif

