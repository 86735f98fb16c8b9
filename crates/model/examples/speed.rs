//! Prints how fast the built-in model reads and writes here: `cargo run --release -p model --example speed -- MODEL.gguf`.
//!
//! A second argument `plain` switches the vector instructions off.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]
#![expect(clippy::disallowed_methods, reason = "a stopwatch beside the product, not in it")]

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use model::{Engine, Finish, Flow, Message, Model, Piece, Role, Sampling};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let path = PathBuf::from(arguments.next().ok_or("say where the GGUF file is")?);
    let started = Instant::now();
    let mut model = Model::open(&path)?;
    if arguments.next().is_some_and(|word| word == "plain") {
        model = model.without_vectors();
    }
    println!("load                      {:>7.2} s", started.elapsed().as_secs_f64());
    println!("memory after load         {:>7} MiB", resident_mib());
    let engine = Engine::start(model, 2, 2);
    for (name, words, tokens) in [("short", 8, 128), ("medium", 250, 128), ("long", 1500, 128)] {
        report(name, &[ask(&engine, words, tokens)?.recv()?]);
    }
    let both = [ask(&engine, 250, 128)?, ask(&engine, 250, 128)?];
    report("two at once", &both.map(|one| one.recv()).into_iter().collect::<Result<Vec<_>, _>>()?);
    let both = [ask(&engine, 1400, 200)?, ask(&engine, 1400, 200)?];
    report("two long at once", &both.map(|one| one.recv()).into_iter().collect::<Result<Vec<_>, _>>()?);
    println!("memory at its highest     {:>7} MiB", peak_mib());
    Ok(())
}

struct Timed {
    finish: Finish,
    reading: Duration,
    writing: Duration,
}

fn ask(engine: &Engine, words: usize, tokens: u32) -> Result<mpsc::Receiver<Timed>, model::Busy> {
    let content =
        "Tell a long story about this word list: ".to_owned() + &"river lamp stone ".repeat(words / 3);
    let sampling = Sampling { temperature: 1., top_p: 0.95, seed: Some(1), stop: vec![], max_tokens: tokens };
    let (sender, receiver) = mpsc::channel();
    let started = Instant::now();
    let mut first = None;
    let sink = move |piece| {
        let first = *first.get_or_insert_with(Instant::now);
        if let Piece::Done(finish) = piece {
            let _ = sender.send(Timed { finish, reading: first - started, writing: first.elapsed() });
        }
        Flow::Continue
    };
    engine.generate(vec![Message { role: Role::User, content }], sampling, Box::new(sink))?;
    Ok(receiver)
}

fn report(name: &str, answers: &[Timed]) {
    for Timed { finish, reading, writing } in answers {
        let rate = |tokens: u32, time: &Duration| f64::from(tokens) / time.as_secs_f64();
        println!(
            "{name:<17} read {:>5} tokens {:>6.1}/s   wrote {:>4} tokens {:>6.1}/s",
            finish.prompt_tokens,
            rate(finish.prompt_tokens, reading),
            finish.completion_tokens,
            rate(finish.completion_tokens.saturating_sub(1), writing),
        );
    }
}

fn resident_mib() -> u64 {
    status_mib("VmRSS:")
}

fn peak_mib() -> u64 {
    status_mib("VmHWM:")
}

fn status_mib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib / 1024)
}
