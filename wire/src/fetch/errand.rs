//! What would block, done by a thread of its own while the lane goes on.

use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;

/// Something under way.
pub(super) struct Errand<T>(Receiver<T>);

impl<T: Send + 'static> Errand<T> {
    /// Sets out; none where the system has no thread to spare.
    pub(super) fn start(run: impl FnOnce() -> T + Send + 'static) -> Option<Errand<T>> {
        let (sender, receiver) = sync_channel(1);
        // Whoever waits may have gone: then nobody wants the result.
        let spawned =
            thread::Builder::new().name("kafka-errand".to_owned()).spawn(move || drop(sender.send(run())));
        spawned.ok().map(|_| Errand(receiver))
    }

    /// Its result, once it is there.
    ///
    /// # Panics
    /// If it has panicked.
    pub(super) fn poll(&mut self) -> Option<T> {
        match self.0.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("a thread that talks to brokers has panicked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_comes_once_it_is_there() {
        let (go, wait) = sync_channel::<i32>(1);
        let mut errand = Errand::start(move || wait.recv().unwrap() + 1).unwrap();
        assert_eq!(errand.poll(), None);
        go.send(41).unwrap();
        let result = loop {
            if let Some(result) = errand.poll() {
                break result;
            }
            thread::yield_now();
        };
        assert_eq!(result, 42);
    }
}
