// SPDX-License-Identifier: Apache-2.0
#include "report_page.hpp"

#include "atomic_file.hpp"
#include "html_text.hpp"
#include "library.hpp"
#include "report_sections.hpp"
#include "report_style.hpp"

namespace cli {

void write_report(const std::filesystem::path& out, const ReportParts& parts) {
  // The policy lets a browser load nothing and run nothing, whatever a name in the data says.
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
      element("title", parts.title) + "<style>" + kReportStyle + "</style>\n</head>\n<body>\n<header>\n" +
      element("h1", parts.title);
  if (!parts.command.empty()) page += "<pre class=\"command\"><code>" + html(parts.command) + "</code></pre>\n";
  page += "</header>\n<main>\n" + verdict_section(parts);
  for (const std::string& note : parts.notes) page += element("p class=\"note\"", note);
  if (!parts.table_text.empty()) {
    page += "<section id=\"table\">\n<h2>Figures</h2>\n" +
            table_as_html(parts.table_text, "Mean ± standard deviation where several seeds ran") + "</section>\n";
  }
  if (!parts.findings_markdown.empty()) {
    page +=
        "<section id=\"findings\">\n<h2>Findings</h2>\n" + markdown_as_html(parts.findings_markdown) + "</section>\n";
  }
  page += curves_section(parts) + routing_section(parts, out) + specialisation_section(parts, out) +
          manifest_section(parts) + "</main>\n<footer>Written by minimoe " + html(capi::version_string()) +
          ".</footer>\n</body>\n</html>\n";
  write_file_atomically(out / "report.html", page);
}

}  // namespace cli
