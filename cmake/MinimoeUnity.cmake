# SPDX-License-Identifier: Apache-2.0
# With -DCMAKE_UNITY_BUILD=ON each directory of a target is one file to the compiler, which reads the large headers once (9 s
# for capi/ in place of 56): for who builds once. Not so the files that define a name which a neighbour defines for itself;
# the kernels, having options of their own, stay apart in any case.
function(minimoe_unity_groups)
  foreach(target ${ARGN})
    set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP
                          UNITY_BUILD_CODE_AFTER_INCLUDE "#undef MINIMOE_INSTANTIATE")
    get_target_property(sources ${target} SOURCES)
    list(FILTER sources EXCLUDE REGEX "/data/grammar/|/analysis/(findings_|routing_history)")
    foreach(source ${sources})
      get_filename_component(directory ${source} DIRECTORY)
      file(RELATIVE_PATH group ${PROJECT_SOURCE_DIR} ${directory})
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${group})
    endforeach()
  endforeach()
endfunction()
