//! Manual pages and completions of shells, made from the same definition that the program reads its command line by:
//!
//! ```text
//! cargo run --example pages -- DIRECTORY
//! ```
//!
//! An example, so that what makes them is in no program that is installed. `SOURCE_DATE_EPOCH` is the date of the pages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::shells::{Bash, Fish, Zsh};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use time::OffsetDateTime;
use time::macros::format_description;

fn main() -> io::Result<()> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, "give the directory to write to");
    let directory = PathBuf::from(std::env::args_os().nth(1).ok_or_else(usage)?);
    let manual = directory.join("man");
    let completions = directory.join("completions");
    for made in [&manual, &completions] {
        fs::create_dir_all(made)?;
    }
    // Without `reseal help VERB`, which would have a page for every verb once more.
    let mut command = reseal::cli::command().disable_help_subcommand(true);
    command.build();
    pages(&command, &manual)?;

    let mut command = reseal::cli::command();
    clap_complete::generate_to(Bash, &mut command, "reseal", &completions)?;
    clap_complete::generate_to(Zsh, &mut command, "reseal", &completions)?;
    clap_complete::generate_to(Fish, &mut command, "reseal", &completions)?;
    Ok(())
}

/// The page of a command, and those of what is below it.
fn pages(command: &Command, directory: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    fs::write(directory.join(format!("{name}.1")), page(command, &name)?)?;
    command.get_subcommands().filter(|below| !below.is_hide_set()).try_for_each(|below| pages(below, directory))
}

fn page(command: &Command, name: &str) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .date(date())
        .source(concat!("reseal ", env!("CARGO_PKG_VERSION")))
        .manual("reseal");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    let usage = command.clone().render_usage().to_string();
    for (index, line) in usage.trim_start_matches("Usage:").lines().map(str::trim).enumerate() {
        if index > 0 {
            roff.control("br", []);
        }
        roff.text([bold(line)]);
    }
    roff.to_writer(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(&mut text)?;
    }
    let mut roff = Roff::new();
    if let Some(after) = command.get_after_help() {
        appendix(&mut roff, &after.to_string());
    }
    roff.control("SH", ["SEE ALSO"]);
    let mut others: Vec<String> =
        command.get_subcommands().filter(|below| !below.is_hide_set()).map(reference).collect();
    if name != "reseal" {
        others.insert(0, "reseal(1)".to_owned());
    }
    others.push("/usr/share/doc/reseal".to_owned());
    roff.text([roman(others.join(", "))]);
    roff.to_writer(&mut text)?;
    Ok(text)
}

fn reference(command: &Command) -> String {
    format!("{}(1)", command.get_display_name().unwrap_or_else(|| command.get_name()))
}

/// What help tells at its end, line by line: a heading where a line ends with a colon.
fn appendix(roff: &mut Roff, after: &str) {
    let mut lines = after.lines().peekable();
    let heading = match lines.peek() {
        Some(first) if first.starts_with("Exit codes") => "EXIT STATUS",
        Some(first) if *first == "Examples:" => {
            lines.next();
            "EXAMPLES"
        }
        _ => "NOTES",
    };
    roff.control("SH", [heading]);
    roff.control("nf", []);
    for line in lines {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

fn date() -> String {
    let told = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    let date = told.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let date = date.unwrap_or_else(OffsetDateTime::now_utc);
    date.format(format_description!("[year]-[month]-[day]")).unwrap_or_default()
}
