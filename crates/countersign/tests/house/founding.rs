//! The first start: cut off at any moment, or on a memorandum that is not signed, it is simply started again.
//!
//! Not here: what a running server survives.

use crate::needs;
use crate::server::{BINARY, Folder, PARTIES, done, run};
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn a_first_start_that_is_cut_off_is_carried_on_by_the_next() {
    for round in 0..12 {
        let folder = Folder::absent();
        let mut first = Command::new(BINARY)
            .arg("up")
            .arg(&folder.dir)
            .args(["--listen", "127.0.0.1:0", "--json"])
            .env("COUNTERSIGN_MODEL", needs::model())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(round * round * 4));
        first.kill().unwrap();
        first.wait().unwrap();
        let begun = folder.dir.join("countersign.toml").exists();
        let served = folder.serve(&["--example", "northwind-halcyon"]);
        let applications = folder.said(&["app", "list"]);
        let names: Vec<_> = applications.as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["assistant", "search"], "round {round}, begun: {begun}");
        assert!(served.ready["key"].is_string() || folder.keys() > 0, "round {round}: nobody has a key");
        served.stop();
        folder.verified();
    }
}

#[test]
fn a_memorandum_that_lacks_a_signature_founds_nothing_until_it_has_it() {
    let folder = Folder::founded("origin = \"northwind-halcyon.example/record\"\n", |text| text.to_owned());
    let memorandum = folder.dir.join("memorandum.md");
    let text =
        std::fs::read_to_string(&memorandum).unwrap().replacen("one thousand credits", "1,000 credits", 1);
    std::fs::File::create(&memorandum)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .unwrap();
    let up = || run(Command::new(BINARY).arg("up").arg(&folder.dir).args(["--listen", "127.0.0.1:0"]));
    for party in PARTIES {
        let refused = up();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("countersign memo sign") && said.contains("missing: "), "{said}");
        let file = memorandum.to_str().unwrap();
        done(&run(Command::new(BINARY)
            .args(["memo", "sign", file, "--party", party, "--dir"])
            .arg(&folder.dir)));
    }
    folder.serve(&[]).stop();
    folder.verified();
}
