  rm -rf @DATA@
