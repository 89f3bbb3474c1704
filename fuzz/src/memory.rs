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
static MOST: AtomicUsize = AtomicUsize::new(0);
static ALLOWED: AtomicUsize = AtomicUsize::new(LIMIT);

/// Does something that may take so many bytes more than are in use, and tells how many it took at the most.
pub fn most_of(limit: usize, act: impl FnOnce()) -> usize {
    let before = USED.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    ALLOWED.store(before + limit, Ordering::Relaxed);
    act();
    ALLOWED.store(LIMIT, Ordering::Relaxed);
    MOST.load(Ordering::Relaxed) - before
}

fn take(bytes: usize) {
    let used = USED.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
    let allowed = ALLOWED.load(Ordering::Relaxed);
    if used > allowed {
        // printing may allocate
        ALLOWED.store(usize::MAX, Ordering::Relaxed);
        eprintln!("{bytes} bytes were asked for: {used} in all, beyond the limit of {allowed}");
        eprintln!("{}", std::backtrace::Backtrace::force_capture());
        std::process::abort();
    }
    MOST.fetch_max(used, Ordering::Relaxed);
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
