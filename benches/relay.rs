//! The cost of looking at every SIP message in a relay, compared with a plain tunnel. The same stream goes over
//! loopback TCP. The relay, the sender and the receiver run in one thread.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portward::inspect::sip::Message;
use portward::io::{Leg, Stream, Timer};
use portward::proof::token::Tokens;
use portward::relay::patience::Patience;
use portward::relay::sip::{Login, SipAction, SipPolicy, SipWatch};
use portward::relay::tunnel::tunnel;
use portward::relay::watched::watched;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Messages in one turn.
const MESSAGES: usize = 1_000;

/// A policy that lets everything pass.
struct Everybody(Tokens);

impl SipPolicy for Everybody {
    fn judge(&mut self, _: &[u8], _: &Message) -> SipAction {
        SipAction::Pass
    }

    fn login(&mut self, _: Login, _: &[u8], _: &Message) {}

    fn tokens(&self) -> &Tokens {
        &self.0
    }
}

fn message() -> String {
    let body = "Signal=5\r\nDuration=160\r\n";
    format!(
        "INFO sip:b@172.31.31.2:5060 SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.17:5060;branch=z9hG4bK-524287-1---0f3eb40b;rport\r\n\
         Max-Forwards: 70\r\nTo: <sip:b@pbx.example.net>;tag=8321\r\nFrom: \"C. K.\" <sip:ckl@pbx.example.net>;tag=5e00e125\r\n\
         Call-ID: wSSsR1c-lUjKuRhxr0iEKA..\r\nCSeq: 12 INFO\r\nContact: <sip:ckl@10.0.0.17:5060;transport=tcp>\r\n\
         User-Agent: phone 5.6.1\r\nContent-Type: application/dtmf-relay\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

/// How long that many turns take through the relay (`looks`) or the tunnel.
async fn turns(count: u64, looks: bool) -> Duration {
    let ((mut phone, client), (target, mut pbx)) = (pair().await, pair().await);
    let relay = tokio::spawn(async move {
        let (mut client, mut target) = (Leg::new(Stream::Plain(client)), Leg::new(Stream::Plain(target)));
        let idle = Duration::from_secs(60);
        let mut timer = Timer::new(idle, CancellationToken::new());
        let mut bytes = [0; 2];
        if looks {
            let mut watch = SipWatch::new(Everybody(Tokens::new([0; 32])), None, false, 64 * 1024);
            watched(
                &mut client,
                &mut target,
                &mut timer,
                Patience::idle(idle),
                &mut watch,
                &mut bytes,
                |_, _| std::task::Poll::Pending,
            )
            .await;
        } else {
            tunnel(&mut client, &mut target, &mut timer, idle, &mut bytes).await;
        }
        bytes
    });
    let stream = message().repeat(MESSAGES);
    let mut room = vec![0; stream.len()];
    let begun = Instant::now();
    for _ in 0..count {
        let (sent, received) = tokio::join!(phone.write_all(stream.as_bytes()), pbx.read_exact(&mut room));
        sent.unwrap();
        received.unwrap();
    }
    let took = begun.elapsed();
    assert_eq!(room, stream.as_bytes());
    drop((phone, pbx));
    let _ = relay.await.unwrap();
    took
}

fn relay(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut group = c.benchmark_group("a stream of SIP messages");
    group.throughput(Throughput::Elements(MESSAGES as u64));
    for (name, looks) in [("plain tunnel", false), ("message by message", true)] {
        group.bench_function(name, |b| b.iter_custom(|count| runtime.block_on(turns(count, looks))));
    }
    group.finish();
}

fn quick() -> Criterion {
    let seconds = Duration::from_secs(1);
    Criterion::default().sample_size(20).warm_up_time(seconds / 2).measurement_time(seconds * 3)
}

criterion_group! { name = benches; config = quick(); targets = relay }
criterion_main!(benches);
