// The list of projects: filtered, paged with a cursor, refetched with another filter.
import { graphql } from "relay-runtime";

export const query = graphql`
  query ProjectListQuery($filter: ProjectFilter) {
    viewer {
      id
      name
    }
    ...ProjectList_query @arguments(filter: $filter)
  }
`;

export const list = graphql`
  fragment ProjectList_query on Query
  @argumentDefinitions(
    count: { type: "Int", defaultValue: 20 }
    cursor: { type: "String" }
    filter: { type: "ProjectFilter" }
  )
  @refetchable(queryName: "ProjectListPaginationQuery") {
    projects(
      first: $count
      after: $cursor
      filterBy: $filter
      orderBy: { field: NAME, direction: ASC }
    ) @connection(key: "ProjectList_projects", filters: ["filterBy", "orderBy"]) {
      totalCount
      edges {
        node {
          id
          ...ProjectList_project
        }
      }
    }
  }
`;

export const row = graphql`
  fragment ProjectList_project on Project {
    name
    labels
    updatedAt
    session {
      id
      status
      expiresAt
    }
  }
`;
