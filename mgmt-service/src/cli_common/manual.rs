//! Completions and manual pages, made from the command line's own definition.
//!
//! In: the definition of a command line and a writer. Out: text in that writer.

use std::io::{self, Write};

use clap::Command;
use clap_complete::Shell;

/// Writes the completion script of `command` for `shell`.
///
/// # Errors
/// What writing to `out` answers.
pub fn write_completions(mut command: Command, shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    out.write_all(&script)
}

/// Writes the manual page of `command`, one section for each of its subcommands, as troff.
///
/// # Errors
/// What writing to `out` answers.
pub fn write_man(command: Command, out: &mut dyn Write) -> io::Result<()> {
    let mut pages = vec![clap_mangen::Man::new(command.clone())];
    let name = command.get_name().to_owned();
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        let title = format!("{name}-{}", subcommand.get_name());
        pages.push(clap_mangen::Man::new(subcommand.clone().display_name(title)));
    }
    let mut text = Vec::new();
    for page in pages {
        page.render(&mut text)?;
    }
    out.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command::new("peer").subcommand(Command::new("watch").about("Records as they come"))
    }

    #[test]
    fn completions_and_manual_name_every_subcommand() {
        let mut script = Vec::new();
        write_completions(command(), Shell::Bash, &mut script).unwrap();
        assert!(String::from_utf8(script).unwrap().contains("watch"));
        let mut page = Vec::new();
        write_man(command(), &mut page).unwrap();
        assert!(String::from_utf8(page).unwrap().contains("Records as they come"));
    }
}
