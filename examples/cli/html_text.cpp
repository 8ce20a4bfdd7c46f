// SPDX-License-Identifier: Apache-2.0
#include "html_text.hpp"

#include <algorithm>
#include <cctype>
#include <sstream>

#include "character.hpp"

namespace cli {

namespace {

// Bold, emphasis and code in one line. A mark without its end is text.
std::string inline_markdown(const std::string& text) {
  struct Mark {
    const char *mark, *tag;
  };
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    bool done = false;
    for (const Mark& m : {Mark{"`", "code"}, Mark{"**", "strong"}, Mark{"*", "em"}}) {
      const std::string mark = m.mark;
      const std::size_t begin = at + mark.size();
      if (text.compare(at, mark.size(), mark) != 0) continue;
      const std::size_t end = text.find(mark, begin);
      if (end == std::string::npos || end == begin || text[begin] == ' ' || text[end - 1] == ' ') continue;
      const std::string inside = text.substr(begin, end - begin);
      const std::string tag = m.tag;
      result += "<" + tag + ">" + (tag == "code" ? html(inside) : inline_markdown(inside)) + "</" + tag + ">";
      at = end + mark.size();
      done = true;
      break;
    }
    if (done) continue;
    const std::size_t next = std::min(text.find_first_of("`*", at + 1), text.size());
    result += html(text.substr(at, next - at));
    at = next;
  }
  return result;
}

// "- ", "* " or "12. ": the length of the mark, and which list.
std::size_t list_mark(const std::string& line, std::string& tag) {
  if (line.rfind("- ", 0) == 0 || line.rfind("* ", 0) == 0) {
    tag = "ul";
    return 2;
  }
  std::size_t digits = 0;
  while (digits < line.size() && std::isdigit(static_cast<unsigned char>(line[digits]))) ++digits;
  if (digits == 0 || line.compare(digits, 2, ". ") != 0) return 0;
  tag = "ol";
  return digits + 2;
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  const bool no_name = line.rfind("   ", 0) == 0;  // a row's name is indented by two at most
  if (no_name) cells.emplace_back();
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t begin = line.find_first_not_of(' ', at);
    if (begin == std::string::npos) break;
    const std::size_t end = std::min(line.find("  ", begin), line.size());
    cells.push_back(line.substr(begin, end - begin));
    at = end;
  }
  return cells;
}

}  // namespace

std::string html(const std::string& text) {
  std::string lines, result;
  for (std::istringstream in(text); std::getline(in, lines);) {
    for (const char c : printable(lines)) {
      switch (c) {
        case '&':
          result += "&amp;";
          break;
        case '<':
          result += "&lt;";
          break;
        case '>':
          result += "&gt;";
          break;
        case '"':
          result += "&quot;";
          break;
        case '\'':
          result += "&#39;";
          break;
        default:
          result += c;
      }
    }
    if (!in.eof()) result += '\n';
  }
  return result;
}

std::string element(const std::string& tag, const std::string& text) {
  return "<" + tag + ">" + html(text) + "</" + tag.substr(0, tag.find(' ')) + ">\n";
}

std::string markdown_as_html(const std::string& markdown) {
  std::string result, paragraph, list;
  const auto end_paragraph = [&] {
    if (!paragraph.empty())
      result += (list.empty() ? "<p>" : "<li>") + inline_markdown(paragraph) + (list.empty() ? "</p>\n" : "</li>\n");
    paragraph.clear();
  };
  const auto end_list = [&] {
    end_paragraph();
    if (!list.empty()) result += "</" + list + ">\n";
    list.clear();
  };
  std::string line;
  for (std::istringstream in(markdown); std::getline(in, line);) {
    const bool indented = line.rfind(' ', 0) == 0;
    line.erase(0, line.find_first_not_of(" \t\r"));
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
    std::string tag;
    const std::size_t hashes = line.find_first_not_of('#');
    if (line.empty()) {
      end_paragraph();
    } else if (hashes > 0 && hashes <= 6 && hashes != std::string::npos && line[hashes] == ' ') {
      end_list();
      const std::string level = std::to_string(std::min<std::size_t>(hashes + 2, 6));
      result += "<h" + level + ">" + inline_markdown(line.substr(hashes + 1)) + "</h" + level + ">\n";
    } else if (const std::size_t mark = list_mark(line, tag); mark > 0) {
      end_paragraph();
      if (tag != list) {
        end_list();
        result += "<" + tag + ">\n";
        list = tag;
      }
      paragraph = line.substr(mark);
    } else {
      if (paragraph.empty() && !list.empty() && !indented) end_list();
      paragraph += (paragraph.empty() ? "" : " ") + line;
    }
  }
  end_list();
  return result;
}

std::string html_table(const std::string& caption, const std::vector<std::string>& head,
                       const std::vector<std::vector<std::string>>& rows) {
  std::string text = "<div class=\"wide\"><table>\n<caption>" + html(caption) + "</caption>\n<thead><tr>";
  for (const std::string& cell : head) {
    text += cell.empty() ? "<td></td>" : "<th scope=\"col\">" + cell + "</th>";
  }
  text += "</tr></thead>\n<tbody>\n";
  for (const std::vector<std::string>& row : rows) {
    text += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool is_cell = row[i].rfind("<td", 0) == 0;
      text += i == 0 ? "<th scope=\"row\">" + row[i] + "</th>" : is_cell ? row[i] : "<td>" + row[i] + "</td>";
    }
    text += "</tr>\n";
  }
  return text + "</tbody></table></div>\n";
}

std::string table_as_html(const std::string& table_text, const std::string& caption) {
  std::vector<std::vector<std::string>> rows;
  std::string line;
  for (std::istringstream in(table_text); std::getline(in, line);) {
    if (line.find_first_not_of(' ') != std::string::npos) rows.push_back(cells_of(line));
  }
  const bool even =
      std::all_of(rows.begin(), rows.end(), [&](const auto& row) { return row.size() == rows[0].size(); });
  if (rows.size() < 2 || !even) return "<pre>" + html(table_text) + "</pre>\n";
  for (auto& row : rows) {
    for (std::string& cell : row) cell = html(cell);
  }
  const std::vector<std::string> head = rows.front();
  rows.erase(rows.begin());
  return html_table(caption, head, rows);
}

}  // namespace cli
