(function () {
  "use strict";
  var asked = location.search.slice(1).split("&");
  var preferred = (navigator.language || "").slice(0, 2);
  ["ko", "en"].forEach(function (code) {
    if (asked.indexOf(code) >= 0 || (asked.indexOf("ko") < 0 && asked.indexOf("en") < 0 && preferred === code)) {
      document.getElementById(code).checked = true;
    }
  });
  ["light", "dark"].forEach(function (theme) {
    if (asked.indexOf(theme) >= 0) { document.getElementById(theme).checked = true; }
  });
  var items, texts, due;
  var searches = document.querySelectorAll(".search");
  function search(words) {
    if (!items) {
      items = Array.prototype.slice.call(document.querySelectorAll(".group>details"));
      texts = items.map(function (item) { return item.textContent.toLowerCase(); });
    }
    var found = 0;
    items.forEach(function (item, at) {
      item.hidden = words !== "" && texts[at].indexOf(words) < 0;
      if (!item.hidden) { found += 1; }
    });
    document.querySelectorAll("details.group").forEach(function (group) {
      var some = group.querySelector("details:not([hidden])") !== null;
      group.hidden = !some;
      group.open = words !== "" && some;
    });
    searches.forEach(function (line) {
      line.querySelector("output").textContent = words === "" ? "" : String(found);
      line.classList.toggle("on", words !== "");
    });
  }
  searches.forEach(function (line) {
    line.hidden = false;
    line.querySelector("input").addEventListener("input", function (event) {
      var words = event.target.value.trim().toLowerCase();
      clearTimeout(due);
      due = setTimeout(function () { search(words); }, 150);
    });
  });
  if (location.hash.indexOf("#item-") === 0) {
    var target = document.getElementById(location.hash.slice(1));
    for (var at = target; at; at = at.parentElement) { if (at.tagName === "DETAILS") { at.open = true; } }
    if (target) { target.scrollIntoView(); }
  }
})();
