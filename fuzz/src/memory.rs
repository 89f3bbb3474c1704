//! An allocator with a limit: memory that is reserved and not touched does not show in the size of a process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes in use at a time. A batch may announce 1 GiB of decompressed columns, which is what the client allows; one
/// answer of a server cannot make it hold more.
const LIMIT: usize = (1 << 30) + (256 << 20);

struct Limited;

#[global_allocator]
static ALLOCATOR: Limited = Limited;

static USED: AtomicUsize = AtomicUsize::new(0);

fn take(bytes: usize) {
    if USED.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > LIMIT {
        // printing may allocate
        USED.store(0, Ordering::Relaxed);
        eprintln!("{bytes} bytes were asked for, beyond the limit of {LIMIT} in all");
        eprintln!("{}", std::backtrace::Backtrace::force_capture());
        std::process::abort();
    }
}

fn give(bytes: usize) {
    USED.fetch_sub(bytes, Ordering::Relaxed);
}

// SAFETY: the system's allocator does the work; counting changes nothing about it.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        give(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size);
        let moved = unsafe { System.realloc(pointer, layout, size) };
        give(if moved.is_null() { size } else { layout.size() });
        moved
    }
}
