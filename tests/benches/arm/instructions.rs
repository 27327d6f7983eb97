//! Instructions of one start and stop, counted by valgrind: the same on every run and every machine with one compiler.

use std::process::{Command, ExitCode};

use tests::bench::Figure;

/// What one start and stop with sketch and one consumer takes, clocks not included. Lower it when it got better.
const INSTRUCTIONS: f64 = 973.0;
/// How much more fails: compilers differ a little.
const TOLERANCE: f64 = 1.1;

/// Two runs that differ only in the number of exchanges: the difference is theirs alone. Both begin when the consumer's
/// queue has grown.
const RUNS: [u32; 2] = [0, 2000];
const ARGUMENT: &str = "--exchanges";

/// How many exchanges to run, when this process is the one that valgrind watches.
pub(crate) fn counted_here() -> Option<u32> {
    std::env::args().skip_while(|arg| arg != ARGUMENT).nth(1)?.parse().ok()
}

/// Prints the figure, and fails when it is above the bound or could not be had.
pub(crate) fn gate() -> ExitCode {
    match per_exchange() {
        Ok(count) => {
            print(count);
            let most = INSTRUCTIONS * TOLERANCE;
            if count <= most {
                return ExitCode::SUCCESS;
            }
            println!("start and stop take {count:.0} instructions, more than {most:.0}");
        }
        Err(reason) => println!("the instructions of start and stop could not be counted: {reason}"),
    }
    ExitCode::FAILURE
}

pub(crate) fn print(count: f64) {
    let mut figure = Figure::alone("arm_start_stop_instructions", "1");
    figure.measured(count);
    figure.print();
}

/// The mean number of instructions of one exchange.
pub(crate) fn per_exchange() -> Result<f64, String> {
    let [few, many] = RUNS;
    let more = count(many)? - count(few)?;
    Ok(more / f64::from(many - few))
}

/// Instructions of a whole run, as cachegrind counts them.
fn count(exchanges: u32) -> Result<f64, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(this)
        .args([ARGUMENT, &exchanges.to_string()])
        .output()
        .map_err(|error| format!("valgrind can't be started: {error}"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    let total = log.lines().find_map(|line| line.split_once("I refs:").or(line.split_once("I   refs:")));
    let digits: Option<String> = total.map(|(_, number)| number.trim().replace(',', ""));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| format!("valgrind said: {log}"))
}
