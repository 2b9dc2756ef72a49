// Click on a heading: sort by that column, again: the other way round. Missing numbers stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((heading, index) => {
    let ascending = index === 0 ? -1 : 1;
    heading.tabIndex = 0;
    heading.title = "sort";
    const sort = () => {
      ascending = -ascending;
      const key = (row) => index ? parseFloat(row.cells[index].dataset.value) : row.cells[0].textContent;
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (index === 0) return ascending * x.localeCompare(y);
        return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : ascending * (x - y);
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
    };
    heading.addEventListener("click", sort);
    heading.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  });
}
