//! `countersign memo` through the built binary.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(path)
}

fn memo(verb: &str, file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign")).args(["memo", verb]).arg(file).output().unwrap()
}

#[test]
fn every_example_is_sound_and_says_so() {
    for path in [
        "northwind-halcyon/memorandum.md",
        "northwind-halcyon/amendment-2.md",
        "microsoft-openai/memorandum.md",
    ] {
        let output = memo("check", &example(path));
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("is sound"), "{path}: {said}");
    }
}

#[test]
fn every_clause_is_explained_in_one_line() {
    let file = example("northwind-halcyon/memorandum.md");
    let clauses = std::fs::read_to_string(&file).unwrap().matches("```toml clause ").count();
    let said = String::from_utf8(memo("explain", &file).stdout).unwrap();
    assert_eq!(said.lines().count(), clauses, "{said}");
}

#[test]
fn a_fault_is_shown_at_its_line_and_column_with_exit_1() {
    let sound = std::fs::read_to_string(example("northwind-halcyon/memorandum.md")).unwrap();
    let faulty = sound.replace(r#"amount = "250000.00 USD""#, "amount = 250000.00");
    let (before, _) = faulty.split_once("amount = 250000.00").unwrap();
    let place = format!("memorandum.md:{}:10", before.lines().count() + 1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("memorandum.md");
    std::fs::File::create(&file).unwrap().write_all(faulty.as_bytes()).unwrap();
    let output = memo("check", &file);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&place), "the place is `{place}`, not in: {said}");
    assert!(said.contains("help"), "{said}");
}

#[test]
fn a_wrong_command_line_is_exit_2_and_a_missing_file_exit_1() {
    let wrong = Command::new(env!("CARGO_BIN_EXE_countersign")).args(["memo", "chekc"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    let missing = memo("check", Path::new("/nowhere/memorandum.md"));
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8(missing.stderr).unwrap().contains("`/nowhere/memorandum.md`"));
}

#[test]
fn a_version_is_compared_with_another_clause_by_clause_and_in_sums() {
    let versions = ["northwind-halcyon/memorandum.md", "northwind-halcyon/amendment-2.md"].map(example);
    let diff = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let output = command.args(["memo", "diff"]).args(&versions).args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let said = diff(&[]);
    for line in [
        "changed, reworded: launch-credits (compute-credit)",
        "added: model-prices-2 (rate-card)",
        "-16.7 %",
        "+500.000000000",
    ] {
        assert!(said.contains(line), "`{line}` is not in: {said}");
    }
    let json: serde_json::Value = serde_json::from_str(&diff(&["--json"])).unwrap();
    assert_eq!(json["effects"]["sums"][0]["after"], "1500.000000000");
}

#[test]
fn memoranda_of_one_party_are_read_side_by_side_with_their_sums_and_every_clash_at_both_places() {
    let folder = tempfile::tempdir().unwrap();
    let deal = |name: &str| example(&format!("deals/{name}.md"));
    let alone = |name: &str, to: &str, by: &str| {
        let promise = format!(
            "\n```toml clause alone\nkind = \"exclusivity\"\nsource = \"reported\"\nby = \"{by}\"\nto = \"{to}\"\nwhat = \"training\"\n```\n"
        );
        let file = folder.path().join(format!("{name}.md"));
        let text = std::fs::read_to_string(deal(name)).unwrap() + &promise;
        std::fs::File::create(&file).unwrap().write_all(text.as_bytes()).unwrap();
        (file, text.lines().count() - 7)
    };
    let check = |files: &[&Path], json: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(["memo", "check"]).arg(files[0]).arg("--with").args(&files[1..]);
        let output = command.args(json.then_some("--json")).output().unwrap();
        let said = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), said(output.stdout), said(output.stderr))
    };
    let (amazon, google) = (deal("amazon-anthropic"), deal("google-anthropic"));
    let (code, said, wrong) = check(&[&amazon, &google], false);
    assert_eq!(code, Some(0), "{wrong}");
    for part in ["`anthropic`, Anthropic, is a party of", "PARTY", "USD", "in no sum:", "undisclosed"] {
        assert!(said.contains(part), "{part}: {said}");
    }

    let (first, at) = alone("amazon-anthropic", "amazon", "anthropic");
    let (second, other) = alone("google-anthropic", "google", "anthropic");
    let (code, _, said) = check(&[&first, &second], false);
    assert_eq!(code, Some(1), "{said}");
    let places =
        [format!("amazon-anthropic.md:{}:16", at + 1), format!("google-anthropic.md:{}:16", other + 1)];
    for part in ["memorandum::exclusivity-clash", "with this clause", "help", &places[0], &places[1]] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (code, said, _) = check(&[&first, &second], true);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &said["sound"]), (Some(1), &false.into()));
    let places = said["faults"][0]["places"].as_array().unwrap();
    assert_eq!((&places[0]["line"], &places[1]["line"]), (&(at + 1).into(), &(other + 1).into()));
    assert_eq!(check(&[&amazon, &amazon], false).0, Some(1), "one text is not two memoranda");
}
