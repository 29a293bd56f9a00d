//! Names beside points, where nothing else is.

/// Height of a name's letters, in pixels.
pub(super) const FONT_PIXELS: i32 = 13;
/// Half of a point's square.
const POINT: i32 = 8;
const HEIGHT: i32 = FONT_PIXELS + 2;

/// A rectangle on the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

impl Area {
    fn overlap(&self, other: &Self) -> i32 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        width.max(0) * height.max(0)
    }

    fn size(&self) -> i32 {
        (self.right - self.left) * (self.bottom - self.top)
    }
}

/// What stands on the picture already.
#[derive(Debug)]
pub(super) struct Labels {
    plot: Area,
    taken: Vec<Area>,
}

impl Labels {
    /// A plot with points on it, and other areas to keep free.
    pub(super) fn new(plot: Area, points: &[(i32, i32)], free: &[Area]) -> Self {
        let points = points.iter().map(|(x, y)| Area {
            left: x - POINT,
            top: y - POINT,
            right: x + POINT,
            bottom: y + POINT,
        });
        Self {
            plot,
            taken: points.chain(free.iter().copied()).collect(),
        }
    }

    /// The upper left corner for a name of the point: of some places around it, the one that covers least.
    pub(super) fn place(&mut self, name: &str, (x, y): (i32, i32)) -> (i32, i32) {
        let letters = i32::try_from(name.chars().count()).unwrap_or(0);
        let width = letters * FONT_PIXELS * 14 / 25;
        let mut corners = Vec::new();
        for away in 0..6 {
            let step = away * HEIGHT * 2 / 3;
            corners.extend([
                (x + POINT + 2, y - HEIGHT / 2 - step),
                (x + POINT + 2, y - HEIGHT / 2 + step),
                (x - POINT - 2 - width, y - HEIGHT / 2 - step),
                (x - POINT - 2 - width, y - HEIGHT / 2 + step),
                (x - width / 2, y - POINT - HEIGHT - step),
                (x - width / 2, y + POINT + step),
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
            let outside = here.size() - here.overlap(&self.plot);
            outside
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
        let plot = Area {
            left: 0,
            top: 0,
            right: 400,
            bottom: 300,
        };
        let points = [(100, 100), (104, 102), (98, 101), (390, 101)];
        let mut labels = Labels::new(plot, &points, &[]);
        for point in points {
            labels.place("a name", point);
        }
        for (index, one) in labels.taken.iter().enumerate().skip(points.len()) {
            let before = &labels.taken[..index];
            assert!(
                before.iter().all(|other| one.overlap(other) == 0),
                "{index}"
            );
            assert_eq!(one.overlap(&plot), one.size());
        }
    }
}
