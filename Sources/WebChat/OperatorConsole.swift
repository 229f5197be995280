/// The operator's page: its files lie among the web chat's, with whose helpers it is written.
package enum OperatorConsole {
    /// The page, and what only it asks for.
    package static let files = [
        WebFile("/console", "text/html; charset=utf-8", PackageResources.console_html),
        WebFile("/console.css", "text/css; charset=utf-8", PackageResources.console_css),
        WebFile("/console.js", "text/javascript; charset=utf-8", PackageResources.console_js),
        WebFile("/console-metrics.js", "text/javascript; charset=utf-8", PackageResources.console_metrics_js),
        WebFile("/console-plot.js", "text/javascript; charset=utf-8", PackageResources.console_plot_js),
    ]
}
