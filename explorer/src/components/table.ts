/** A column of a table: its title, and what it shows of a row. */
export interface TableColumn<Row> {
  key: string
  title: string
  text: (row: Row) => string
  isNumber?: boolean
}
