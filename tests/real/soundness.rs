//! Tests of the harness itself, without Portward. Other tests can be trusted only if their instruments work.

use crate::harness::{Nginx, Recorder, Target, TestCa, WebSocketEcho, Wire, curl, web_socket, within};

#[test]
fn nginx_tells_its_name_and_port() {
    within(30, || {
        let nginx = Nginx::start("pbx.example.net");
        let plain = Wire::plain(nginx.plain).get("pbx.example.net", "/a//b?c");
        assert!(plain.text().contains(&format!("port={}\nscheme=http\n", nginx.plain)), "{plain:?}");
        assert!(plain.text().contains("uri=/a//b?c\n"), "{plain:?}");
        let tls = Wire::tls(nginx.tls, "pbx.example.net").get("pbx.example.net", "/");
        assert!(
            tls.text().contains(&format!("port={}\nscheme=https\nsni=pbx.example.net\n", nginx.tls)),
            "{tls:?}"
        );
    });
}

#[test]
fn curl_speaks_to_a_target() {
    within(30, || {
        let target = Target::mirror();
        let seen = curl(&["-d", "body", &format!("http://127.0.0.1:{}/x", target.port())]);
        assert!(seen.out.starts_with("POST /x HTTP/1.1\n"), "{seen:?}");
        assert!(target.transcript().ends_with("\r\n\r\nbody"), "{seen:?}");
    });
}

#[test]
fn a_recorder_sees_every_byte() {
    within(30, || {
        let recorder: Recorder = Target::recorder();
        recorder.assert_untouched("nothing came yet");
        let mut client = Wire::plain(recorder.port());
        client.send("one byte or more");
        client.finish();
        assert_eq!(client.rest(), b"");
        assert_eq!((recorder.connections(), recorder.bytes()), (1, 16));
    });
}

#[test]
fn the_echo_echoes() {
    within(30, || {
        let identity = TestCa::shared().issue(&["ws.example.net"]);
        for (server, tls) in [(WebSocketEcho::plain(), false), (WebSocketEcho::tls(&identity), true)] {
            let wire = Wire::plain(server.port());
            let wire = if tls { wire.into_tls("ws.example.net") } else { wire };
            let (mut socket, _) = web_socket(wire, "ws.example.net", "/").unwrap();
            socket.send("hello".into()).unwrap();
            assert_eq!(socket.read().unwrap().into_text().unwrap(), "hello");
        }
    });
}
