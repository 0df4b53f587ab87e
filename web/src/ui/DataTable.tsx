import { VisuallyHidden } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./DataTable.module.css";

export type Column<Row> = {
  header: string;
  /** Numbers align right. */
  align?: "left" | "right";
  /** The header is for screen readers only: a column of buttons. */
  quiet?: boolean;
  width?: string;
  cell: (row: Row) => ReactNode;
};

type DataTableProps<Row> = {
  /** Says what the rows are, for those who cannot see the page around the table. */
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  /** Marks the row whose detail is open beside the list. */
  isOpen?: (row: Row) => boolean;
};

/** DataTable becomes a list of labelled cards where the screen is narrow. The first column names the row. */
export function DataTable<Row>({ label, columns, rows, rowKey, isOpen }: DataTableProps<Row>) {
  return (
    <table className={classes.table} aria-label={label}>
      <thead>
        <tr>
          {columns.map((column) => (
            <th key={column.header} scope="col" data-align={column.align} style={{ width: column.width }}>
              {column.quiet ? <VisuallyHidden>{column.header}</VisuallyHidden> : column.header}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={rowKey(row)} data-open={isOpen?.(row) || undefined}>
            {columns.map((column, index) => (
              <td
                key={column.header}
                data-align={column.align}
                data-label={column.quiet || index === 0 ? undefined : column.header}
              >
                <div>{column.cell(row)}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
