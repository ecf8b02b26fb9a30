() => {  // what to open with: photos kept from the page in the other language, else 1 where the address names something
  const kept = sessionStorage.getItem('catvae-photos');
  sessionStorage.removeItem('catvae-photos');
  return kept ?? (/[?&](a|b|model|steps|path)=/.test(location.search) ? '1' : '');
}
