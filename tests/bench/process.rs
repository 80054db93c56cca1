//! What a process has used, as Linux tells it.

use std::ops::{Deref, DerefMut};
use std::process::Child;
use std::time::Duration;

/// CPU time of the threads that a process has now, user and system, to the nanosecond: `/proc/PID/stat` counts in steps of
/// 10 ms, which is more than an idle process uses. What has ended threads used is not in it.
///
/// Source: <https://docs.kernel.org/scheduler/sched-stats.html>, `/proc/<pid>/schedstat`.
pub fn cpu(pid: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of_thread = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.filter_map(|thread| of_thread(thread.path())).sum())
}

/// CPU time of the calling thread so far.
pub fn thread_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

/// A line of `/proc/PID/status` in MiB: `VmHWM` is the peak of resident memory, `VmRSS` that of now.
pub fn memory_mib(pid: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    let kib: f64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0.0);
    kib / 1024.0
}

/// A process that is not left behind: killed when dropped.
#[derive(Debug)]
pub struct Running(pub Child);

impl Running {
    /// Ends it in order and waits for it.
    ///
    /// # Errors
    ///
    /// It ended with another status than 0.
    pub fn terminate(mut self) -> Result<(), Box<dyn std::error::Error>> {
        std::process::Command::new("kill").arg("-TERM").arg(self.id().to_string()).status()?;
        let status = self.wait()?;
        if status.success() { Ok(()) } else { Err(format!("it ended with {status}").into()) }
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
