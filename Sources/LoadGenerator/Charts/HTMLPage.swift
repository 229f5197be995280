internal import Glibc

/// A report as one HTML file: no scripts, nothing from elsewhere, readable on a phone, in light and in dark.
package enum HTMLPage {
    package static func make(title: String, report: Report, charts: [Chart]) -> String {
        var page = """
            <!doctype html>
            <html lang=en>
            <meta charset=utf-8>
            <meta name=viewport content="width=device-width, initial-scale=1">
            <title>\(escaped(title))</title>
            <style>\(style)</style>
            <h1>\(escaped(title))</h1>

            """
        if let origin = report.origin {
            page += "<p><code>\(escaped(origin.command))</code></p>\n<p>\(escaped(origin.machine))</p>\n"
        }
        for chart in charts {
            page += "<figure><figcaption>\(escaped(chart.title)), \(escaped(chart.unit))</figcaption>"
            page += Drawing.svg(chart)
            if let note = chart.note { page += "<figcaption class=note>\(escaped(note))</figcaption>" }
            page += "</figure>\n"
        }
        for section in report.sections {
            page += "<h2>\(escaped(section.title))</h2>\n"
            if !section.rows.isEmpty { page += figures(section.rows) }
            if let table = section.table { page += wide(table) }
        }
        return page
    }

    private static func figures(_ rows: [Report.Row]) -> String {
        rows.reduce(into: "<table>\n") { page, row in
            if case .text(let text) = row.value {
                page += "<tr><td>\(escaped(row.label))<td class=text colspan=2>\(escaped(text))\n"
            } else {
                let depth = row.label.hasPrefix(" ") ? " class=part" : ""
                page += "<tr><td\(depth)>\(escaped(row.label))<td>\(escaped(row.shown.value))"
                page += "<td>\(escaped(row.shown.unit))\n"
            }
        } + "</table>\n"
    }

    /// A table that may be wider than a phone: it scrolls by itself.
    private static func wide(_ table: Report.Table) -> String {
        var page = "<p class=hint>Scrolls sideways →</p><div class=wide><table>\n<tr>"
        for column in table.columns { page += "<th>\(escaped(column.label))" }
        for line in table.lines {
            page += "\n<tr>"
            for value in line { page += "<td>\(escaped(Report.text(value)))" }
        }
        return page + "\n</table></div>\n"
    }

    /// Whether a directory is there and takes files.
    package static func canWrite(in directory: String) -> Bool {
        var information = stat()
        return stat(directory, &information) == 0 && information.st_mode & S_IFMT == S_IFDIR
            && access(directory, W_OK) == 0
    }

    /// Writes the page to a file.
    package static func write(_ page: String, to path: String) throws {
        guard let file = fopen(path, "w") else { throw BenchError("\(path) can't be written") }
        let written = fputs(page, file)
        guard fclose(file) == 0, written >= 0 else { throw BenchError("\(path) can't be written") }
    }

    static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            default: escaped.append(character)
            }
        }
        return escaped
    }

    private static let style = """

        :root{color-scheme:light dark;--ink:#1b1f24;--soft:#5c6670;--grid:#d8dde2;--paper:#fff;
        --a:#0969da;--b:#bc4c00;--c:#1a7f37;--d:#8250df;--e:#bf3989;--f:#57606a}
        @media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--grid:#30363d;--paper:#0d1117;
        --a:#58a6ff;--b:#f0883e;--c:#3fb950;--d:#bc8cff;--e:#f778ba;--f:#8b949e}}
        body{font:16px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);
        max-width:72rem;margin:0 auto;padding:1rem}code{overflow-wrap:anywhere}
        h1{font-size:1.4rem}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
        figure{margin:1.2rem 0;max-width:36rem}figcaption{font-weight:600;margin-bottom:.3rem}
        svg{width:100%;height:auto}text{font-size:12px;fill:var(--soft)}
        .grid{stroke:var(--grid);stroke-width:1}.line{fill:none;stroke-width:2;stroke-linejoin:round}
        .c0{stroke:var(--a)}.c1{stroke:var(--b)}.c2{stroke:var(--c)}.c3{stroke:var(--d)}.c4{stroke:var(--e)}
        .c5{stroke:var(--f)}rect.c0{fill:var(--a)}rect.c1{fill:var(--b)}rect.c2{fill:var(--c)}
        rect.c3{fill:var(--d)}rect.c4{fill:var(--e)}rect.c5{fill:var(--f)}rect{stroke:none!important}
        circle.c0{fill:var(--a)}circle.c1{fill:var(--b)}circle.c2{fill:var(--c)}circle.c3{fill:var(--d)}
        figcaption.note{font-weight:400;color:var(--soft)}.d1{stroke-dasharray:7 3}.d2{stroke-dasharray:2 3}
        .d3{stroke-dasharray:10 3 2 3}.d4{stroke-dasharray:4 2}circle.c4{fill:var(--e)}circle.c5{fill:var(--f)}
        circle.marked{fill:var(--paper);stroke-width:2}
        table{border-collapse:collapse;width:100%;max-width:44rem;font-variant-numeric:tabular-nums}
        td{padding:.15rem .3rem;border-bottom:1px solid var(--grid);vertical-align:top}
        td.part{padding-left:1.2rem}p{color:var(--soft);margin:.2rem 0}
        td:nth-child(2){text-align:right;white-space:nowrap}td:nth-child(3){color:var(--soft)}
        td.text:nth-child(2){text-align:left;white-space:normal;overflow-wrap:anywhere}
        .wide{overflow-x:auto}.wide table{max-width:none}
        .wide td,.wide th{text-align:right;white-space:nowrap;color:inherit;padding:.15rem .4rem}
        .wide th{white-space:normal;vertical-align:bottom;font-weight:600;border-bottom:1px solid var(--soft)}
        .wide td:first-child,.wide th:first-child{position:sticky;left:0;background:var(--paper)}
        .hint{display:none}@media(max-width:44rem){.hint{display:block}}

        """
}
