# Writes OUT, a C++ file whose functions return the text of the files that report/page_files.h names.
#   cmake -DPAGE=FOLDER -DOUT=FILE.cpp -P EmbedPage.cmake

# Bytes as a list of character codes: no quoting, no limit on the length of a literal.
function(add_function name)
  set(bytes "")
  foreach(file ${ARGN})
    file(READ "${PAGE}/${file}" hex HEX)
    string(APPEND bytes "${hex}")
  endforeach()
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," codes "${bytes}")
  set(text "${text}std::string_view ${name}() {\n  static constexpr char kText[] = {${codes}};\n  return {kText, sizeof kText};\n}\n" PARENT_SCOPE)
endfunction()

set(text "#include \"report/page_files.h\"\n\nnamespace qk::report {\n")
add_function(page_html index.html)
add_function(page_style style.css)
add_function(page_script data.js charts.js map.js head.js main.js)
add_function(chart_style vendor/uplot/uPlot.min.css)
add_function(chart_script vendor/uplot/uPlot.iife.min.js)
file(WRITE "${OUT}" "${text}}  // namespace qk::report\n")
