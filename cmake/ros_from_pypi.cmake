# For ROS 2 from PyPI: its wheels' CMake exports name the include folders of the machine that built them, and CMake
# refuses an imported target whose include folder does not exist. Pass this file as -DCMAKE_PROJECT_INCLUDE=...;
# a ROS installation from packages does not need it.
if(CMAKE_VERSION VERSION_LESS 3.21)
  message(FATAL_ERROR "building against ROS 2 from PyPI needs CMake 3.21 or newer, this is ${CMAKE_VERSION}")
endif()

function(drop_missing_include_paths)
  get_property(imported_targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(imported_target IN LISTS imported_targets)
    get_target_property(folders ${imported_target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT folders)
      continue()
    endif()
    set(existing "")
    foreach(folder IN LISTS folders)
      if(NOT IS_ABSOLUTE "${folder}" OR EXISTS "${folder}")
        list(APPEND existing "${folder}")
      endif()
    endforeach()
    set_target_properties(${imported_target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${existing}")
  endforeach()
endfunction()

# At the end of the configuration, when all imported targets are known.
cmake_language(DEFER CALL drop_missing_include_paths)
