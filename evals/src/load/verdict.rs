//! Who is the fastest where.

use super::rows::LoadRow;
use super::task::Loader;

/// Where wcodec is the fastest, where nobody is said to be, and where and to whom it loses.
///
/// A difference counts where no run of the one is among those of the other; where runs overlap, the quotient of the
/// medians is told and nothing is made of it.
pub(crate) fn verdict(rows: &[LoadRow]) -> String {
    let (mut wins, mut overlaps, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    for ours in rows.iter().filter(|row| row.loader == Loader::Wcodec) {
        let others = rows.iter().filter(|row| ours.is_alike(row));
        let others: Vec<&LoadRow> = others.filter(|row| row.loader != Loader::Wcodec).collect();
        let place = format!("{} {}", ours.model, ours.storage_words());
        let (our_best, our_worst) = (ours.first_token.min, ours.first_token.max);
        let faster = others.iter().filter(|row| row.first_token.max < our_best);
        let fastest = faster.min_by(|a, b| a.first_token.median.total_cmp(&b.first_token.median));
        let among = others.iter().filter(|row| row.first_token.min <= our_worst);
        let among = among.map(|row| (row.loader.words(), quotient(ours, row)));
        let among = among.map(|(whom, quotient)| format!("{whom}, medians {quotient:.2}"));
        let among: Vec<String> = among.collect();
        if let Some(fastest) = fastest {
            let times = quotient(ours, fastest);
            let whom = fastest.loader.words();
            losses.push(format!("{place} (to {whom}, by a factor of {times:.2})"));
        } else if !among.is_empty() {
            overlaps.push(format!("{place} ({})", among.join("; ")));
        } else if !others.is_empty() {
            wins.push(place);
        }
    }
    let list = |list: &[String]| match list {
        [] => "nowhere".to_owned(),
        list => list.join(", "),
    };
    format!(
        "wcodec is the fastest: {}. Their runs overlap, so nobody is said to be faster (medians: wcodec's seconds over \
         the other's): {}. It loses: {}.",
        list(&wins),
        list(&overlaps),
        list(&losses)
    )
}

/// Our median over theirs.
fn quotient(ours: &LoadRow, theirs: &LoadRow) -> f64 {
    ours.first_token.median / theirs.first_token.median
}

#[cfg(test)]
mod tests {
    use super::super::rows::Storage;
    use super::super::rows::tests::row;
    use super::*;

    #[test]
    fn a_difference_counts_where_runs_do_not_overlap() {
        let loads = |storage, pread: &[f64], ours: &[f64]| {
            [
                row(Loader::Candle, storage, &[9.0, 9.5]),
                row(Loader::Pread, storage, pread),
                row(Loader::Wcodec, storage, ours),
            ]
        };
        let rows = [
            loads(Storage::Warm, &[1.0, 1.2], &[1.3, 1.5]),
            loads(Storage::Cold, &[1.0, 1.4, 1.5], &[1.3, 1.35, 1.6]),
            loads(Storage::Throttled(0.2), &[2.0, 2.5], &[1.3, 1.9]),
        ];
        assert_eq!(
            verdict(&rows.concat()),
            "wcodec is the fastest: m 0.2 GB/s. Their runs overlap, so nobody is said to be faster (medians: wcodec's \
             seconds over the other's): m cold (parallel pread, medians 0.96). It loses: m warm (to parallel pread, by \
             a factor of 1.27)."
        );
        // A median that is lower says nothing while a run of the other is among ours.
        let rows = loads(Storage::Warm, &[1.0, 3.0], &[1.1, 1.2]);
        assert!(verdict(&rows).contains("): m warm (parallel pread, medians 0.57)."));
        assert!(verdict(&rows[2..]).ends_with("It loses: nowhere."));
    }
}
