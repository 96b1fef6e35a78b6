//! An engine thread kept on one processor: it does not leave its caches behind when the scheduler moves it.

/// Keeps the calling thread on one of the processors that the process may use: the `index`-th, in turn. Where
/// that is refused, or the system has no such call, the thread stays free and a warning says so.
pub(crate) fn pin(index: usize) {
    match place(index) {
        Ok(processor) => tracing::debug!("engine thread {index} stays on processor {processor}"),
        Err(reason) => tracing::warn!("engine thread {index} is not pinned: {reason}"),
    }
}

#[cfg(target_os = "linux")]
fn place(index: usize) -> Result<usize, String> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let allowed = sched_getaffinity(None).map_err(|error| error.to_string())?;
    let processors: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect();
    let processor = *processors.get(index % processors.len().max(1)).ok_or("no processor is allowed")?;
    let mut own = CpuSet::new();
    own.set(processor);
    sched_setaffinity(None, &own).map_err(|error| error.to_string())?;
    Ok(processor)
}

#[cfg(not(target_os = "linux"))]
fn place(_index: usize) -> Result<usize, String> {
    Err("this system has no call for it".to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::thread::sched_getaffinity;

    #[test]
    fn threads_take_the_allowed_processors_in_turn() {
        let allowed = usize::try_from(sched_getaffinity(None).unwrap().count()).unwrap();
        for index in 0..3 {
            let pinned = std::thread::spawn(move || {
                let processor = super::place(index).unwrap();
                let own = sched_getaffinity(None).unwrap();
                (processor, own.is_set(processor), own.count())
            });
            let (processor, is_there, count) = pinned.join().unwrap();
            assert!(is_there && count == 1, "processor {processor}, {count} allowed");
            if index == allowed {
                assert_eq!(processor, super::place(0).unwrap());
            }
        }
    }
}
