//! A full disk: writers get 53100, but for those whose commit had begun, which wait; readers go on; nothing
//! acknowledged is lost; and with room writers go on.

use crate::ledger::Ledger;
use crate::support::{Place, block_on, connect};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Room for the preallocated log and some commits; the rest is taken by something else for a while.
const DISK: &str = "size=80m";
const BALLAST: usize = 60 << 20;

/// A file system of its own; unmounted when dropped.
struct Mounted<'p>(&'p Place);

impl Mounted<'_> {
    /// None without the right to mount.
    fn new(place: &Place) -> Option<Mounted<'_>> {
        std::fs::create_dir(place.data()).expect("made");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", DISK, "none"])
            .arg(place.data());
        let is_mounted = mount.status().is_ok_and(|status| status.success());
        is_mounted.then_some(Mounted(place))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // What is still open there goes with its process.
        let _ = Command::new("umount").arg("-l").arg(self.0.data()).status();
    }
}

#[test]
fn writers_wait_for_room_and_nothing_is_lost() {
    let place = Place::new();
    let Some(_mounted) = Mounted::new(&place) else {
        return eprintln!("skipped: a file system cannot be mounted here");
    };
    let ballast = place.data().join("ballast");
    std::fs::write(&ballast, vec![1; BALLAST]).expect("written");
    let server = place.serve();
    block_on(async {
        let client = server.client().await;
        let text = "CREATE TABLE t (number bigint PRIMARY KEY, filler text)";
        client.batch_execute(text).await.expect("made");
    });
    let ledger = Mutex::new(Ledger::default());
    let is_over = AtomicBool::new(false);
    let refused = Mutex::new(0);
    let mut number_tried = 9_000_000;
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (ledger, is_over, refused) = (&ledger, &is_over, &refused);
            let address = server.address;
            scope.spawn(move || {
                block_on(async {
                    let client = connect(address).await.expect("the server is up");
                    let mut number = writer * 1_000_000;
                    while !is_over.load(Ordering::Acquire) {
                        number += 1;
                        let result = client.simple_query(&insert(number)).await;
                        note(number, result.map(drop), ledger, refused);
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                });
            });
        }
        wait_for("new writers are refused", || {
            number_tried += 1;
            block_on(try_once(server.address, number_tried, &ledger, &refused));
            *refused.lock().expect("whole") >= 20
        });
        // Readers go on.
        let rows = || {
            block_on(async {
                let client = server.client().await;
                let row = client.query_one("SELECT count(*) FROM t", &[]).await;
                row.expect("read").get::<_, i64>(0)
            })
        };
        let full = rows();
        assert!(full > 0);
        std::fs::remove_file(&ballast).expect("removed");
        let before = ledger.lock().expect("whole").count();
        wait_for("writers go on", || {
            ledger.lock().expect("whole").count() >= before + 20
        });
        assert!(rows() > full);
        is_over.store(true, Ordering::Release);
    });
    server.kill();
    let server = place.serve();
    let numbers = block_on(async {
        let client = server.client().await;
        let rows = client.query("SELECT number FROM t", &[]).await;
        rows.expect("read").iter().map(|row| row.get(0)).collect()
    });
    ledger.into_inner().expect("whole").check(&numbers);
    server.stop();
}

fn insert(number: i64) -> String {
    let filler = "z".repeat(50_000);
    format!("INSERT INTO t VALUES ({number}, '{filler}')")
}

fn note(
    number: i64,
    result: Result<(), tokio_postgres::Error>,
    ledger: &Mutex<Ledger>,
    refused: &Mutex<usize>,
) {
    let mut ledger = ledger.lock().expect("whole");
    match result {
        Ok(()) => ledger.acknowledged(number),
        Err(error) => {
            let code = error.code().expect("the session goes on").code();
            assert_eq!(code, "53100", "{error}");
            ledger.refused(number);
            *refused.lock().expect("whole") += 1;
        }
    }
}

/// A writer that does not wait: one whose commit has begun when the disk is full is answered when there is room.
async fn try_once(
    address: SocketAddr,
    number: i64,
    ledger: &Mutex<Ledger>,
    refused: &Mutex<usize>,
) {
    let client = connect(address).await.expect("the server is up");
    let text = insert(number);
    match tokio::time::timeout(Duration::from_millis(300), client.simple_query(&text)).await {
        Ok(result) => note(number, result.map(drop), ledger, refused),
        Err(_) => ledger.lock().expect("whole").unknown(number),
    }
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
