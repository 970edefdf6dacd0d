"""Line plots as SVG, without a library: what docs/benchmarks shows, readable on light and dark."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 380, 72, 24, 64, 56
COLOURS = ["#1f6feb", "#d1592a", "#4b8b3b", "#8a5cc2"]
STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 } .grid { stroke: #8884; stroke-width: 1 }
.axis { stroke: #888; stroke-width: 1 }
.page { fill: #fff }
@media (prefers-color-scheme: dark) { text { fill: #d0d7de } .page { fill: #0d1117 } }
</style>"""


def number(value: float) -> str:
    if value >= 1000 and value % 1000 == 0:
        return f"{value / 1000:g}k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ticks(low: float, high: float) -> tuple[list[float], float, float]:
    """Marks on a logarithmic axis (1, 2, 5 of each decade), and its ends."""
    marks = [m * 10.0**e for e in range(-6, 10) for m in (1, 2, 5)]
    begin = max(m for m in marks if m <= low * 1.0001)
    end = min(m for m in marks if m >= high * 0.9999)
    if begin == end:
        end = marks[marks.index(end) + 1]
    return [m for m in marks if begin <= m <= end], begin, end


def line_plot(title: str, x_label: str, y_label: str, x: list[float],
              series: dict[str, list[float]]) -> str:
    """Both axes logarithmic; `x` are the marks of the horizontal one."""
    values = [v for line in series.values() for v in line]
    marks, low, high = ticks(min(values), max(values))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    span = math.log(max(x) / min(x)) or 1

    def at_x(value: float) -> float:
        return LEFT + (right - LEFT) * math.log(value / min(x)) / span

    def at_y(value: float) -> float:
        return bottom - (bottom - TOP) * math.log(value / low) / math.log(high / low)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
           f"<title>{escape(title)}</title>", STYLE,
           f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
           f'<text class="title" x="{LEFT}" y="22">{escape(title)}</text>']
    for mark in marks:
        y = at_y(mark)
        out.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>'
                   f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(mark)}</text>')
    for value in x:
        place = at_x(value)
        out.append(f'<path class="axis" d="M{place:.1f} {bottom}v5"/>'
                   f'<text x="{place:.1f}" y="{bottom + 20}" text-anchor="middle">'
                   f"{number(value)}</text>")
    out.append(f'<path class="axis" d="M{LEFT} {bottom}H{right}"/>'
               f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 12}" text-anchor="middle">'
               f"{escape(x_label)}</text>"
               f'<text transform="translate(18 {(TOP + bottom) / 2}) rotate(-90)" '
               f'text-anchor="middle">{escape(y_label)}</text>')
    legend = LEFT
    for (name, line), colour in zip(series.items(), COLOURS):
        points = " ".join(f"{at_x(a):.1f},{at_y(b):.1f}" for a, b in zip(x, line))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        out += [f'<circle cx="{at_x(a):.1f}" cy="{at_y(b):.1f}" r="4" fill="{colour}"/>'
                for a, b in zip(x, line)]
        out.append(f'<path d="M{legend} 42h22" stroke="{colour}" stroke-width="3"/>'
                   f'<text x="{legend + 28}" y="46">{escape(name)}</text>')
        legend += 28 + 9 * len(name) + 24
    return "\n".join([*out, "</svg>"]) + "\n"


def bar_plot(title: str, rows: list[tuple[str, float, float, float, float, str]]) -> str:
    """Ratios on a logarithmic axis around 1: (what, median, least, most, target, better)."""
    left, step = 345, 26
    height = TOP + step * len(rows) + BOTTOM - 16
    reach = [v for row in rows for v in row[1:5]]
    low, high = min(0.5, *reach) * 0.95, max(2.0, *reach) * 1.05
    right = WIDTH + 120 - RIGHT

    def at(value: float) -> float:
        return left + (right - left) * math.log(value / low) / math.log(high / low)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 120} {height}" role="img">',
           f"<title>{escape(title)}</title>", STYLE,
           f'<rect class="page" width="{WIDTH + 120}" height="{height}"/>',
           f'<text class="title" x="16" y="22">{escape(title)}</text>',
           '<text x="16" y="44">bar: median of the ratio, blue where it is as asked; line: its range; diamond: what is asked</text>']
    bottom = TOP + step * len(rows)
    last = -99.0
    for mark in (m * 10.0**e for e in range(-3, 4) for m in (1, 2, 5)):
        if low <= mark <= high and (at(mark) - last > 34 or mark == 1):
            last = at(mark)
            kind = "axis" if mark == 1 else "grid"
            out.append(f'<path class="{kind}" d="M{last:.1f} {TOP - 8}V{bottom}"/>'
                       f'<text x="{last:.1f}" y="{bottom + 18}" text-anchor="middle">{mark:g}</text>')
    for i, (what, middle, least, most, target, better) in enumerate(rows):
        y = TOP + step * i + step / 2
        good = middle >= target if better == "higher" else middle <= target
        begin, end = sorted((at(1), at(middle)))
        out.append(f'<text x="{left - 10}" y="{y + 4:.1f}" text-anchor="end">{escape(what)}</text>'
                   f'<rect x="{begin:.1f}" y="{y - 7:.1f}" width="{end - begin:.1f}" height="14" '
                   f'fill="{COLOURS[0] if good else COLOURS[1]}"/>'
                   f'<path class="axis" d="M{at(least):.1f} {y:.1f}H{at(most):.1f}" '
                   'style="stroke-width:2"/>')
        out.append(f'<path d="M{at(target):.1f} {y - 8:.1f}l6 8l-6 8l-6 -8z" fill="#e3b341" '
                   'stroke="#5c4813"/>')
    return "\n".join([*out, "</svg>"]) + "\n"
