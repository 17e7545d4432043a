  if [ -e @DATA@/anchor.db ] || [ -d @DATA@/keys ]; then
    echo "@PROGRAM@: the ledger and its keys are kept in @DATA@: no receipt could be shown without them." >&2
    echo "@PROGRAM@: whoever is sure removes that folder by hand." >&2
  else
    rm -rf @DATA@
  fi
