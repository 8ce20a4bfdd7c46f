# SPDX-License-Identifier: Apache-2.0
# minimoe_golden(LANGUAGE [FLAT] COMMAND COMMAND... [ENVIRONMENT NAME=VALUE...] [FIXTURES NAME...]): the two passes of a
# language's runner, COMMAND MANIFEST RESULTS, as tests on which "golden: every language gives the same bits" waits.
# README.md beside this file says what a runner does. FIXTURES are those that the runner needs.
include_guard(GLOBAL)

function(minimoe_golden language)
  cmake_parse_arguments(golden "FLAT" "" "COMMAND;ENVIRONMENT;FIXTURES" ${ARGN})
  set(run ${MINIMOE_PYTHON} -B ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/run.py ${CMAKE_BINARY_DIR}/golden ${language})
  set(flat $<$<BOOL:${golden_FLAT}>:--flat>)
  set(first "golden: ${language}")
  set(second "golden: ${language} resumes what the others saved")
  add_test(NAME "${first}" COMMAND ${run} first ${flat} -- ${golden_COMMAND} COMMAND_EXPAND_LISTS)
  add_test(NAME "${second}" COMMAND ${run} second ${flat} -- ${golden_COMMAND} COMMAND_EXPAND_LISTS)
  set_tests_properties("${first}" "${second}" PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300
                                                         ENVIRONMENT "${golden_ENVIRONMENT}")
  set_tests_properties("${first}" PROPERTIES FIXTURES_SETUP golden_first FIXTURES_REQUIRED "${golden_FIXTURES}")
  set_tests_properties("${second}" PROPERTIES FIXTURES_SETUP golden_second
                                              FIXTURES_REQUIRED "golden_first;${golden_FIXTURES}")
endfunction()
