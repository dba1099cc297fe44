// On a phone the navigation is wider than the screen: the page one is on is brought into view.
(() => {
  "use strict";
  const here = document.querySelector(".side nav [aria-current]");
  const list = here?.closest("nav");
  if (list && list.scrollWidth > list.clientWidth) {
    list.scrollLeft = here.offsetLeft - (list.clientWidth - here.offsetWidth) / 2;
  }
})();
