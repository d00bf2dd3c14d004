use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::storage::piece::FilePart;

/// An outlet whose socket is full, the other side of it, and what it is full of.
async fn full() -> (Outlet, TcpStream, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let viewer = TcpStream::connect(address).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut before = Vec::new();
    // The kernel makes more room while it delivers.
    for _ in 0..1000 {
        while let Ok(taken) = stream.try_write(&[b'.'; 1500]) {
            before.resize(before.len() + taken, b'.');
        }
        tokio::task::yield_now().await;
    }
    let outlet = Outlet::new(stream, Rc::default(), ViewerLimits::default());
    (outlet, viewer, before)
}

#[tokio::test]
async fn a_head_that_the_kernel_does_not_take_goes_before_its_body_and_that_before_the_next() {
    let (outlet, mut viewer, mut expected) = full().await;
    let read = tokio::spawn(async move {
        let mut all = Vec::new();
        viewer.read_to_end(&mut all).await.unwrap();
        all
    });
    for (head, pieces) in [
        ("first\r\n\r\n", ["a", "b"]),
        ("second\r\n\r\n", ["c", "d"]),
    ] {
        outlet.expect_head(Vec::new());
        for piece in pieces {
            outlet.push(Bytes::copy_from_slice(piece.repeat(100_000).as_bytes()).into());
        }
        // The body waits for its head, which is accepted whatever the kernel says.
        poll_fn(|cx| {
            assert!(outlet.poll_send(cx).is_pending());
            assert!(matches!(
                outlet.poll_write(cx, head.as_bytes()),
                Poll::Ready(Ok(accepted)) if accepted == head.len()
            ));
            Poll::Ready(())
        })
        .await;
        poll_fn(|cx| outlet.poll_flush(cx)).await.unwrap();
        assert_eq!((outlet.queued(), outlet.taken()), (0, 200_000));
        expected.extend(head.as_bytes());
        expected.extend(
            pieces
                .concat()
                .chars()
                .flat_map(|byte| std::iter::repeat_n(u8::try_from(byte).unwrap(), 100_000)),
        );
    }
    poll_fn(|cx| outlet.poll_shutdown(cx)).await.unwrap();
    assert!(read.await.unwrap() == expected, "other bytes");
}

#[tokio::test]
async fn what_is_taken_back_is_not_sent_and_a_head_stays() {
    let (outlet, mut viewer, mut expected) = full().await;
    outlet.expect_head(Vec::new());
    outlet.push(Bytes::from(vec![b'x'; 100_000]).into());
    poll_fn(|cx| Poll::Ready(outlet.poll_write(cx, b"head\r\n\r\n").is_ready())).await;
    outlet.take_back();
    outlet.push(Bytes::from_static(b"again").into());
    let drained = poll_fn(|cx| outlet.poll_send(cx));
    let mut all = vec![0; expected.len() + 13];
    let (sent, read) = tokio::join!(drained, viewer.read_exact(&mut all));
    sent.unwrap();
    read.unwrap();
    expected.extend(b"head\r\n\r\nagain");
    assert!(all == expected, "other bytes");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_cannot_be_sent_is_told_to_the_body_and_what_lies_before_it_leaves() {
    let (outlet, mut viewer, mut expected) = full().await;
    let file = tempfile::tempfile().unwrap();
    file.set_len(300_000).unwrap();
    let file = Arc::new(file);
    outlet.expect_head(Vec::new());
    outlet.push(Bytes::from_static(b"before").into());
    outlet.push(Piece::File(FilePart::new(Arc::clone(&file), 0, 300_000)));
    poll_fn(|cx| {
        assert!(outlet.poll_send(cx).is_pending());
        assert!(outlet.poll_write(cx, b"head\r\n\r\n").is_ready());
        Poll::Ready(())
    })
    .await;
    // The socket is full, so all of it waits.
    file.set_len(0).unwrap();
    let read = tokio::spawn(async move {
        let mut all = Vec::new();
        viewer.read_to_end(&mut all).await.unwrap();
        all
    });
    // The server's flush meets the failure, and leaves it to the body.
    poll_fn(|cx| outlet.poll_flush(cx)).await.unwrap();
    let failed = poll_fn(|cx| outlet.poll_send(cx)).await;
    assert!(matches!(failed, Err(Unsendable::File(_))), "{failed:?}");
    assert_eq!((outlet.queued(), outlet.taken()), (300_000, 6));
    // The bytes come from elsewhere.
    outlet.take_back();
    outlet.push(Bytes::from_static(b"instead").into());
    poll_fn(|cx| outlet.poll_send(cx)).await.unwrap();
    poll_fn(|cx| outlet.poll_shutdown(cx)).await.unwrap();
    expected.extend(b"head\r\n\r\nbeforeinstead");
    assert!(read.await.unwrap() == expected, "other bytes");
}

#[tokio::test]
async fn our_fields_are_the_last_of_the_head_whatever_is_before_it_and_behind_it() {
    let (outlet, mut viewer, mut expected) = full().await;
    let read = tokio::spawn(async move {
        let mut all = Vec::new();
        viewer.read_to_end(&mut all).await.unwrap();
        all
    });
    let lines = b"etag: 1\r\nage: 2\r\n";
    // Behind the end of another answer, with a body behind it, and before the first of it has come.
    for (before, body) in [("", "a"), ("{}", "b"), ("", "")] {
        outlet.expect_head(lines.to_vec());
        if !body.is_empty() {
            outlet.push(Bytes::from_static(body.as_bytes()).into());
        }
        let head = format!("{before}HTTP/1.1 200 OK\r\ndate: now\r\n\r\n");
        let accepted = poll_fn(|cx| outlet.poll_write(cx, head.as_bytes())).await;
        assert_eq!(accepted.unwrap(), head.len());
        poll_fn(|cx| outlet.poll_flush(cx)).await.unwrap();
        let head = "HTTP/1.1 200 OK\r\ndate: now\r\netag: 1\r\nage: 2\r\n\r\n";
        expected.extend([before, head, body].concat().as_bytes());
    }
    // They belong to one head: what the server answers by itself has none of them.
    let other = b"HTTP/1.1 404 Not Found\r\n\r\n";
    poll_fn(|cx| outlet.poll_write(cx, other)).await.unwrap();
    expected.extend(other);
    poll_fn(|cx| outlet.poll_shutdown(cx)).await.unwrap();
    assert!(read.await.unwrap() == expected, "other bytes");
}

#[tokio::test]
async fn an_answer_whose_head_has_no_end_is_none() {
    let (outlet, _viewer, _) = full().await;
    outlet.expect_head(b"content-length: 1\r\n".to_vec());
    let written = poll_fn(|cx| outlet.poll_write(cx, b"HTTP/1.1 200 OK\r\n")).await;
    assert_eq!(written.unwrap_err().kind(), io::ErrorKind::InvalidData);
}
