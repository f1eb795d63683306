"""Requests for refreshes over hours: each minute's mean second and its busiest second."""

WIDTH, HEIGHT, MARGIN = 900, 240, 40
BARS = " ▁▂▃▄▅▆▇█"


def text(result):
    """One character for each five minutes, as high as their mean."""
    means = [minute[0] for minute in result["minutes"]]
    groups = [sum(means[i:i + 5]) / len(means[i:i + 5]) for i in range(0, len(means), 5)]
    top = max(groups) or 1
    bars = "".join(BARS[min(8, round(8 * group / top))] for group in groups)
    down, up = (second // 300 for second in result["outage"])
    return "requests/s over %d min, at most %.0f:\n  %s\n  %s%s" % (
        len(means), top, bars, " " * down, "└" + "outage".center(max(up - down - 2, 6), "─") + "┘")


def svg(result, count):
    minutes = result["minutes"]
    top = max(most for _, most in minutes) or 1
    x = lambda i: MARGIN + i * (WIDTH - 2 * MARGIN) / len(minutes)  # noqa: E731
    y = lambda value: HEIGHT - MARGIN - value * (HEIGHT - 2 * MARGIN) / top  # noqa: E731
    line = lambda column: " ".join("%.1f,%.1f" % (x(i), y(minute[column])) for i, minute in enumerate(minutes))  # noqa: E731
    down, up = (second / 60 for second in result["outage"])
    return """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">
<rect width="100%%" height="100%%" fill="white"/>
<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="#eee"/><text x="%.1f" y="%d">outage</text>
<polyline fill="none" stroke="#bbb" points="%s"/>
<polyline fill="none" stroke="black" points="%s"/>
<text x="%d" y="14">Token requests per second, %d credentials with lives of 1 h: mean of each minute, and its busiest second (grey)</text>
<text x="4" y="%.1f">%d</text><text x="4" y="%d">0</text><text x="%d" y="%d">%d min</text>
</svg>
""" % (WIDTH, HEIGHT, x(down), MARGIN, x(up) - x(down), HEIGHT - 2 * MARGIN, x(down) + 4, MARGIN + 12, line(1), line(0), MARGIN, count,
       y(top) + 4, top, HEIGHT - MARGIN, WIDTH - MARGIN - 30, HEIGHT - MARGIN + 14, len(minutes))
