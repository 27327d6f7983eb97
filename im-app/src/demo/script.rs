//! What people in the demo are called and what they say.

/// The name of person number `index`.
pub(crate) fn name(index: usize) -> String {
    NAMES.get(index).map_or_else(|| format!("Peer{index}"), |name| (*name).to_owned())
}

/// Message number `round` among `peers` people: who says what to whom. Over time everybody talks to everybody.
pub(crate) fn message(round: usize, peers: usize) -> (usize, usize, &'static str) {
    let from = round % peers;
    let to = (from + 1 + (round / peers) % (peers - 1)) % peers;
    (from, to, LINES.get(round % LINES.len()).copied().unwrap_or_default())
}

const NAMES: [&str; 16] = [
    "Anne", "Bert", "Cleo", "Dora", "Emil", "Fee", "Gus", "Hana", "Ivo", "Jara", "Kees", "Lou", "Mila",
    "Nils", "Ona", "Piet",
];

const LINES: [&str; 8] = [
    "hello, are you there?",
    "yes, and you are one round trip away",
    "who runs the rendezvous?",
    "it only introduced us, we talk directly",
    "what does the manager see?",
    "each PING and its PONG, not a word of what we say",
    "and if you go offline?",
    "then your message is refused, not lost",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn everybody_talks_to_everybody_and_nobody_to_oneself() {
        for peers in 2..=16 {
            let said: Vec<_> = (0..peers * (peers - 1)).map(|round| message(round, peers)).collect();
            assert!(said.iter().all(|(from, to, _)| from != to && *to < peers));
            let pairs: HashSet<_> = said.iter().map(|(from, to, _)| (from, to)).collect();
            assert_eq!(pairs.len(), peers * (peers - 1));
        }
    }
}
