//! Names beside points, where nothing else is.

use std::ops::Range;

/// Height of a name's letters.
pub(super) const FONT_PIXELS: i32 = 13;
/// Half of a point's square.
const POINT: i32 = 8;
const HEIGHT: i32 = FONT_PIXELS + 2;

/// A rectangle on the picture.
#[derive(Debug, Clone, Copy)]
struct Area {
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
}

impl Area {
    fn overlap(&self, other: &Self) -> i32 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        width.max(0) * height.max(0)
    }

    /// How much of it lies outside `other`.
    fn outside(&self, other: &Self) -> i32 {
        (self.right - self.left) * (self.bottom - self.top) - self.overlap(other)
    }
}

/// What stands on the picture already.
#[derive(Debug)]
pub(super) struct Labels {
    plot: Area,
    taken: Vec<Area>,
}

impl Labels {
    /// A plot with points.
    pub(super) fn new(
        (xs, ys): (Range<i32>, Range<i32>),
        points: impl Iterator<Item = (i32, i32)>,
    ) -> Self {
        let plot = Area {
            left: xs.start,
            top: ys.start,
            right: xs.end,
            bottom: ys.end,
        };
        let taken = points
            .map(|(x, y)| Area {
                left: x - POINT,
                top: y - POINT,
                right: x + POINT,
                bottom: y + POINT,
            })
            .collect();
        Self { plot, taken }
    }

    /// The upper left corner for a name of `point`: the nearest of a few places that covers least.
    pub(super) fn place(&mut self, name: &str, (x, y): (i32, i32)) -> (i32, i32) {
        let width = i32::try_from(name.chars().count()).unwrap_or(0) * FONT_PIXELS * 12 / 25;
        let mut corners = Vec::new();
        for step in 0..4 {
            let up = step * HEIGHT;
            corners.extend([
                (x + POINT + 2, y - HEIGHT / 2 - up),
                (x - POINT - 2 - width, y - HEIGHT / 2 - up),
                (x + POINT + 2, y - HEIGHT / 2 + up),
                (x - POINT - 2 - width, y - HEIGHT / 2 + up),
                (x - width / 2, y - POINT - HEIGHT - up),
                (x - width / 2, y + POINT + up),
            ]);
        }
        let area = |(left, top): (i32, i32)| Area {
            left,
            top,
            right: left + width,
            bottom: top + HEIGHT,
        };
        let cost = |corner: &(i32, i32)| {
            let here = area(*corner);
            here.outside(&self.plot)
                + self
                    .taken
                    .iter()
                    .map(|taken| here.overlap(taken))
                    .sum::<i32>()
        };
        let best = corners.into_iter().min_by_key(cost).unwrap_or((x, y)); // the first of the least
        self.taken.push(area(best));
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_neighbours_do_not_cover_each_other() {
        let points = [(100, 100), (104, 102), (98, 101)];
        let mut labels = Labels::new((0..400, 0..300), points.into_iter());
        for point in points {
            labels.place("a name", point);
        }
        for (index, one) in labels.taken.iter().enumerate().skip(points.len()) {
            assert!(
                labels.taken[points.len()..index]
                    .iter()
                    .all(|other| one.overlap(other) == 0)
            );
        }
    }
}
