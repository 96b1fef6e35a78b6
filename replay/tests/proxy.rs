//! The proxy of faults between a scripted client and a scripted broker: each action does what it says, and
//! nothing else happens. Against a real broker: `cli/tests/proxy_live.rs`.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_replay::faults::{Action, Api, Direction, Faults, Proxy, Rule};

/// Answers every request with its correlation id and one byte more, and tells what it was asked.
struct Broker {
    address: String,
    asked: Receiver<(Api, i32)>,
}

impl Broker {
    fn start() -> Broker {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let (tell, asked) = channel();
        std::thread::spawn(move || {
            for stream in socket.incoming() {
                let (stream, tell) = (stream.unwrap(), tell.clone());
                std::thread::spawn(move || answer(stream, &tell));
            }
        });
        Broker { address, asked }
    }

    /// The next request that has come, if one does in time.
    fn asked(&self) -> Option<(Api, i32)> {
        self.asked.recv_timeout(WAIT).ok()
    }
}

fn answer(mut stream: TcpStream, tell: &Sender<(Api, i32)>) {
    while let Some(body) = frame(&mut stream) {
        let api = Api(i16::from_be_bytes([body[0], body[1]]));
        let correlation = i32::from_be_bytes([body[4], body[5], body[6], body[7]]);
        if tell.send((api, correlation)).is_err() {
            return;
        }
        let reply = [&5_i32.to_be_bytes()[..], &correlation.to_be_bytes(), &[42]].concat();
        if stream.write_all(&reply).is_err() {
            return;
        }
    }
}

/// A frame without its length; none at the end.
fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut body = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

/// What a client gets.
#[derive(Debug, PartialEq)]
enum Got {
    Reply(i32),
    Nothing,
    End,
}

struct Client(TcpStream);

impl Client {
    fn open(proxy: &Proxy) -> Client {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        Client(stream)
    }

    fn ask(&mut self, api: Api, correlation: i32) {
        let mut body = vec![];
        body.extend(api.0.to_be_bytes());
        body.extend([0, 7]);
        body.extend(correlation.to_be_bytes());
        body.extend([0, 2, b'w', b's']);
        body.resize(100_000, 1);
        let length = i32::try_from(body.len()).unwrap();
        self.0.write_all(&[&length.to_be_bytes()[..], &body].concat()).unwrap();
    }

    fn got(&mut self) -> Got {
        let mut head = [0; 9];
        match self.0.read_exact(&mut head) {
            Ok(()) => Got::Reply(i32::from_be_bytes([head[4], head[5], head[6], head[7]])),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Got::Nothing,
            Err(_) => Got::End,
        }
    }
}

fn scene() -> (Broker, Proxy, Faults, Client) {
    let broker = Broker::start();
    let proxy = Proxy::start(&broker.address).unwrap();
    let (faults, client) = (proxy.faults(), Client::open(&proxy));
    (broker, proxy, faults, client)
}

#[test]
fn without_rules_all_passes_and_is_counted() {
    let (broker, _proxy, faults, mut client) = scene();
    for correlation in 0..50 {
        client.ask(Api::PRODUCE, correlation);
    }
    client.ask(Api::END_TXN, 50);
    for correlation in 0..=50 {
        assert_eq!(client.got(), Got::Reply(correlation));
        let api = if correlation == 50 { Api::END_TXN } else { Api::PRODUCE };
        assert_eq!(broker.asked(), Some((api, correlation)));
    }
    assert_eq!(faults.frames(Api::PRODUCE, Direction::Request), 50);
    assert_eq!(faults.frames(Api::PRODUCE, Direction::Reply), 50);
    assert_eq!(faults.frames(Api::END_TXN, Direction::Reply), 1);
    assert_eq!(faults.bytes(Api::PRODUCE, Direction::Request), 50 * 100_004);
    assert!(faults.await_frames(Api::PRODUCE, Direction::Reply, 50, WAIT));
    assert!(!faults.await_frames(Api::PRODUCE, Direction::Reply, 51, SHORT));
    assert_eq!(faults.cuts(), 0);
}

#[test]
fn a_request_that_is_cut_never_reaches_the_broker() {
    let (broker, proxy, faults, mut client) = scene();
    let rule = faults.add(Rule::nth(Api::PRODUCE, Direction::Request, 2, Action::Cut));
    client.ask(Api::PRODUCE, 1);
    assert_eq!(client.got(), Got::Reply(1));
    client.ask(Api::PRODUCE, 2);
    assert_eq!(client.got(), Got::End);
    assert_eq!((faults.fired(rule), faults.cuts()), (1, 1));
    // A new connection is served, and the rule has had its turn.
    let mut again = Client::open(&proxy);
    again.ask(Api::PRODUCE, 3);
    assert_eq!(again.got(), Got::Reply(3));
    assert_eq!([broker.asked(), broker.asked()], [Some((Api::PRODUCE, 1)), Some((Api::PRODUCE, 3))]);
}

#[test]
fn a_reply_that_is_cut_was_obeyed() {
    let (broker, _proxy, faults, mut client) = scene();
    let rule = faults.add(Rule::nth(Api::END_TXN, Direction::Reply, 1, Action::Cut));
    client.ask(Api::END_TXN, 1);
    assert_eq!(client.got(), Got::End);
    assert_eq!(broker.asked(), Some((Api::END_TXN, 1)));
    assert!(faults.await_fired(rule, PATIENCE));
}

#[test]
fn what_is_dropped_never_comes_and_the_next_one_does() {
    let (broker, _proxy, faults, mut client) = scene();
    faults.add(Rule::nth(Api::PRODUCE, Direction::Request, 1, Action::Drop));
    faults.add(Rule::nth(Api::END_TXN, Direction::Reply, 1, Action::Drop));
    client.ask(Api::PRODUCE, 1);
    client.ask(Api::END_TXN, 2);
    assert_eq!(client.got(), Got::Nothing);
    client.ask(Api::PRODUCE, 3);
    assert_eq!(client.got(), Got::Reply(3));
    // The broker saw the second, not the first.
    assert_eq!([broker.asked(), broker.asked()], [Some((Api::END_TXN, 2)), Some((Api::PRODUCE, 3))]);
}

#[test]
fn what_is_held_comes_when_it_is_released() {
    for direction in [Direction::Request, Direction::Reply] {
        let (broker, _proxy, faults, mut client) = scene();
        let rule = faults.add(Rule::each(Api::END_TXN, direction, Action::Hold).of_client("ws"));
        faults.add(Rule::each(Api::END_TXN, direction, Action::Cut).of_client("another"));
        client.ask(Api::END_TXN, 1);
        assert!(faults.await_held(rule, PATIENCE));
        assert_eq!(client.got(), Got::Nothing);
        let obeyed = (direction == Direction::Reply).then_some((Api::END_TXN, 1));
        assert_eq!(broker.asked.try_recv().ok(), obeyed);
        faults.release(rule);
        assert_eq!(client.got(), Got::Reply(1));
        client.ask(Api::END_TXN, 2);
        assert_eq!(client.got(), Got::Reply(2), "released once is released for good");
    }
}

/// A reply that was kept back until its client had gone is told from one that arrived.
#[test]
fn a_reply_that_came_too_late_is_told_from_one_in_time() {
    let (_broker, proxy, faults, mut client) = scene();
    let in_time = faults.add(Rule::nth(Api::END_TXN, Direction::Reply, 1, Action::Delay(SHORT)));
    client.ask(Api::END_TXN, 1);
    assert_eq!(client.got(), Got::Reply(1));
    assert!(faults.await_passed(in_time, PATIENCE));
    assert_eq!(faults.too_late(in_time), 0);

    let mut client = Client::open(&proxy);
    let held = faults.add(Rule::nth(Api::END_TXN, Direction::Reply, 1, Action::Hold));
    client.ask(Api::END_TXN, 2);
    assert!(faults.await_held(held, PATIENCE));
    drop(client);
    assert!(!faults.await_passed(held, SHORT));
    faults.release(held);
    assert!(faults.await_passed(held, PATIENCE));
    assert_eq!(faults.too_late(held), 1);
}

/// A refusal that cannot be made is none: the connection ends, so that nobody takes an answer for one.
#[test]
fn what_cannot_be_refused_ends_its_connection() {
    let (_broker, _proxy, faults, mut client) = scene();
    faults.add(Rule::nth(Api::PRODUCE, Direction::Reply, 1, Action::Refuse(22)));
    client.ask(Api::PRODUCE, 1);
    assert_eq!(client.got(), Got::End);
}

/// The request that arrives after its sender has given up: what a restarted producer must survive.
#[test]
fn a_held_request_reaches_the_broker_though_its_client_is_gone() {
    let (broker, _proxy, faults, mut client) = scene();
    let rule = faults.add(Rule::nth(Api::END_TXN, Direction::Request, 1, Action::Hold));
    client.ask(Api::END_TXN, 1);
    assert!(faults.await_held(rule, PATIENCE));
    drop(client);
    assert_eq!(broker.asked(), None);
    assert_eq!(faults.await_answer(rule, SHORT), None);
    faults.release(rule);
    assert_eq!(broker.asked(), Some((Api::END_TXN, 1)));
    // The scripted broker's answer has no error code.
    assert_eq!(faults.await_answer(rule, PATIENCE), Some(None));
}

/// A process that is killed with replies unread resets its connection; another reply that cannot be told to
/// it must not take the held request with it.
#[test]
fn a_held_request_outlives_a_reply_that_nobody_takes() {
    let (broker, _proxy, faults, mut client) = scene();
    let reply = faults.add(Rule::nth(Api::FETCH, Direction::Reply, 2, Action::Hold));
    let request = faults.add(Rule::nth(Api::PRODUCE, Direction::Request, 1, Action::Hold));
    for (api, correlation) in [(Api::FETCH, 1), (Api::FETCH, 2), (Api::PRODUCE, 3)] {
        client.ask(api, correlation);
    }
    assert!(faults.await_held(reply, PATIENCE) && faults.await_held(request, PATIENCE));
    drop(client);
    faults.release(reply);
    assert!(faults.await_passed(reply, PATIENCE));
    faults.release(request);
    let asked = [broker.asked(), broker.asked(), broker.asked()];
    assert_eq!(asked, [(Api::FETCH, 1), (Api::FETCH, 2), (Api::PRODUCE, 3)].map(Some));
    assert_eq!(faults.await_answer(request, PATIENCE), Some(None));
}

#[test]
fn what_is_delayed_comes_later() {
    for direction in [Direction::Request, Direction::Reply] {
        let (_broker, _proxy, faults, mut client) = scene();
        faults.add(Rule::nth(Api::FETCH, direction, 1, Action::Delay(SHORT)));
        let clock = MachineClock::start();
        client.ask(Api::FETCH, 1);
        assert_eq!(client.got(), Got::Reply(1));
        assert!(clock.elapsed() >= SHORT);
    }
}

#[test]
fn every_connection_is_cut_at_once_and_new_ones_are_served() {
    let (_broker, proxy, faults, mut client) = scene();
    let mut other = Client::open(&proxy);
    for client in [&mut client, &mut other] {
        client.ask(Api::FETCH, 1);
        assert_eq!(client.got(), Got::Reply(1));
    }
    assert_eq!(faults.cut_all(), 2);
    assert_eq!([client.got(), other.got()], [Got::End, Got::End]);
    let mut again = Client::open(&proxy);
    again.ask(Api::FETCH, 2);
    assert_eq!(again.got(), Got::Reply(2));
}

#[test]
fn the_end_of_the_proxy_ends_what_it_holds() {
    let (_broker, proxy, faults, mut client) = scene();
    let rule = faults.add(Rule::each(Api::FETCH, Direction::Reply, Action::Hold));
    client.ask(Api::FETCH, 1);
    assert!(faults.await_held(rule, PATIENCE));
    drop(proxy);
    assert_eq!(client.got(), Got::End);
    assert!(!faults.await_held(rule, PATIENCE), "a wait ends with the proxy");
}

#[test]
fn a_broker_that_is_away_ends_connections_at_once() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Proxy::start(&nobody.to_string()).unwrap();
    assert_eq!(Client::open(&proxy).got(), Got::End);
    for bad in ["nonsense", "h:nonsense", ""] {
        assert!(Proxy::start(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_is_no_frame_ends_its_connection() {
    let (broker, proxy, _faults, _) = scene();
    let mut client = Client::open(&proxy);
    client.0.write_all(b"\xff\xff\xff\xff GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(client.got(), Got::End);
    assert_eq!(broker.asked(), None);
}

/// Longer than anything takes that must come, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(20);
/// Within this much something comes, or it does not come.
const WAIT: Duration = Duration::from_millis(700);
const SHORT: Duration = Duration::from_millis(100);
